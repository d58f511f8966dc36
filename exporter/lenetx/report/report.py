"""The outcome of a proof: a value, with one explicit raise."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ..errors import ProofFailed

__all__ = ["GROUPS", "Check", "Report", "Status", "plain_number", "to_json"]

SCHEMA_VERSION = 2

_INSIDE = ("weights", "graph")
"""What shows changes below the limits: that it was not seen belongs to the conclusion."""

_NAMED = 3
"""Of the checks that failed, in the conclusion."""

Status = Literal["passed", "failed", "not_applicable", "not_run"]

GROUPS = (
    "file",
    "contract",
    "weights",
    "layers",
    "end to end",
    "batch axis",
    "engines",
    "hard inputs",
    "real data",
    "eval mode",
    "quarrel",
)
"""What checks are about, in the order in which a reader meets them."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked of an artifact.

    Attributes:
        name: of the check.
        subject: what it looked at, in words, with how many of them.
        status: ``not_applicable`` where the format has no such thing, ``not_run`` where something needed was not
            there; neither counts as passed.
        measured: the worst value found, ``None`` where nothing is measured.
        limit: the largest value that passes, in the unit of ``measured``.
        detail: one or more sentences: what was found, and what to do about it.
        group: which of ``GROUPS`` it belongs to.
        figures: what can be drawn of it, as plain values with a "kind" (docs/verification.md lists them).
    """

    name: str
    subject: str
    status: Status
    measured: float | None = None
    limit: float | None = None
    detail: str = ""
    group: str = "file"
    figures: Mapping[str, Any] | None = None

    def with_figures(self, figures: Mapping[str, Any]) -> "Check":
        """Give the same check with figures."""
        return replace(self, figures=figures)

    @classmethod
    def verdict(cls, name: str, subject: str, problem: str | None, detail: str = "", group: str = "file") -> "Check":
        """Make a check that passed if there is no ``problem``, else failed for that reason."""
        return cls(name, subject, "failed" if problem else "passed", detail=problem or detail, group=group)

    @property
    def ran(self) -> bool:
        """It gave an answer."""
        return self.status in ("passed", "failed")

    @property
    def share(self) -> float | None:
        """The share of the limit that was used: 0 to 1 passes; ``None`` where either is missing or the limit is 0."""
        if self.measured is None or not self.limit:
            return None
        return self.measured / self.limit


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """All checks of one artifact. ``print`` shows its table, as ``lenetx verify`` does.

    Attributes:
        checks: in the order in which they ran.
        environment: versions and machine, in words.
        artifact: file name, format, precision, SHA-256 and size in bytes.
        reference: architecture, weights digest, file and data of the checkpoint, and how many real images were seen.
    """

    checks: tuple[Check, ...]
    environment: Mapping[str, str]
    artifact: Mapping[str, str | int]
    reference: Mapping[str, str | int]

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "NOT passed"
        checks = f"{len(self.checks)} check{'s' * (len(self.checks) != 1)}"
        return f"<Report of {self.artifact['name']!r}: {verdict}, {checks}>"

    def __str__(self) -> str:
        from . import table_lines  # which reads reports

        return "\n".join(line.text for line in table_lines(self))

    @classmethod
    def unreadable(cls, name: str, reason: str) -> "Report":
        """Make the failed report of a file that could not be opened."""
        return cls((Check("file", name, "failed", detail=reason),), {}, {"name": name}, {})

    @property
    def is_unreadable(self) -> bool:
        """The file could not be opened, so that nothing else was asked."""
        return not self.environment

    @property
    def passed(self) -> bool:
        """Nothing failed, and something passed."""
        return not self.failures and any(check.status == "passed" for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "failed")

    @property
    def conclusion(self) -> str:
        """One sentence: the verdict, and over what it holds."""
        name = self.artifact["name"]
        if not self.passed:
            failed = [check.name for check in self.failures]
            more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
            against = f" against {self.reference['checkpoint']}" if "checkpoint" in self.reference else ""
            return f"{name} is NOT proven{against}: {', '.join(failed[:_NAMED]) or 'no check ran'}{more}."
        real = (check.subject for check in self.checks if check.group == "real data" and check.ran)
        scope = next(real, "no real images seen")
        if self.artifact.get("format") == "logits":
            return f"{name} computes what eager PyTorch computes ({self.checks[0].subject})."
        unseen = {check.name: check for check in self.checks if check.name in _INSIDE and not check.ran}
        if unseen.keys() == {"graph"}:
            first, reason = "The graph was not compared", unseen["graph"].detail
            return f"{first}: {reason} On the inputs, {name} computes what eager PyTorch computes ({scope})."
        if unseen:
            scope += f"; not seen: {', '.join(unseen)}"
        return f"{name} computes what eager PyTorch computes ({scope})."

    def raise_if_failed(self) -> None:
        """Do nothing if the report passed.

        Raises:
            ProofFailed: it did not.
        """
        if not self.passed:
            reasons = " ".join(f"{check.name}: {check.detail}" for check in self.failures)
            raise ProofFailed(f"{self.conclusion} {reasons}", (self,))

    def to_json(self) -> str:
        """Give one JSON document that holds this report, see :func:`to_json`."""
        return to_json([self])

    def to_html(self) -> str:
        """Give one HTML document that holds this report, see :func:`lenetx.report.to_html`."""
        from . import to_html  # which reads reports

        return to_html([self])

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values. A number that is not finite becomes a text."""
        checks = [{each.name: _plain(getattr(check, each.name)) for each in fields(check)} for check in self.checks]
        return {
            "passed": self.passed,
            "conclusion": self.conclusion,
            "artifact": dict(self.artifact),
            "reference": dict(self.reference),
            "environment": dict(self.environment),
            "checks": checks,
        }


def to_json(reports: Sequence[Report]) -> str:
    """Give one JSON document for any number of reports (schema: docs/verification.md)."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "passed": all(report.passed for report in reports),
        "reports": [report.to_dict() for report in reports],
    }
    return json.dumps(document, indent=2)


def plain_number(value: Any) -> Any:
    """Give a number that is not finite as a text, since JSON has none; anything else as it is."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value


def _plain(value: Any) -> Any:
    """Give a value of mappings, sequences, texts and numbers as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return plain_number(value)
