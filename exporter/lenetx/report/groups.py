"""Summarise a report's checks by group, and advise on the first group that failed."""

import math
from dataclasses import dataclass

from .check import Check, Status
from .outcome import CHOICE, Outcome
from .registry import GROUPS, REGISTRY

__all__ = ["GroupSummary", "advice", "missing", "summaries"]

_MOST_TELLING: tuple[Status, ...] = ("failed", "passed", "not_run", "not_applicable")

_IDENTITY = ("weights", "contract")
"""Groups that reveal a wrong checkpoint, the more reliable one first."""
_OWN_FORMATS = ("function", "logits")
_CHANGED = (
    "Do not use it with the changed code, which may compute something else: export it again with the code as it is "
    "now, or name the code that it was made with."
)
_CHOSEN = "Export it without that, or name with --arch a network that does the same."
_FRESH = "It was not published. Another export would give the same file: use a format that is proven, or report it."
_OWN = "The program does not compute the network: compare its preprocessing, layers and arithmetic with it."


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The checks of one group.

    Attributes:
        group: the group's name, one of ``lenetx.report.GROUPS``.
        checks: at least one check, in the order in which they ran.
    """

    group: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Status:
        """The status of the whole group: the first of failed, passed, not run and not applicable that a check has."""
        return next(status for status in _MOST_TELLING if any(check.status == status for check in self.checks))

    @property
    def ran(self) -> int:
        """The number of checks that passed or failed."""
        return sum(check.ran for check in self.checks)

    @property
    def applicable(self) -> int:
        """The number of checks that apply to this artifact."""
        return sum(check.status != "not_applicable" for check in self.checks)

    @property
    def share(self) -> float | None:
        """The largest share of a limit (0.0 to 1.0 passes); ``None`` if nothing was measured."""
        return max((check.share for check in self.checks if check.share is not None), key=_badness, default=None)

    @property
    def subject(self) -> str:
        """The subject of the decisive check, and the number of other subjects."""
        deciding = max(
            (check for check in self.checks if check.status == self.verdict), key=lambda c: _badness(c.share)
        )
        others = {check.subject for check in self.checks} - {deciding.subject}
        return f"{deciding.subject}, and {len(others)} more" if others else deciding.subject


def summaries(report: Outcome) -> tuple[GroupSummary, ...]:
    """Return the groups that have checks, in the order of ``lenetx.report.GROUPS``; unknown groups come last."""
    names = dict.fromkeys([*GROUPS, *(check.group for check in report.checks)])
    groups = (GroupSummary(name, tuple(check for check in report.checks if check.group == name)) for name in names)
    return tuple(group for group in groups if group.checks)


def advice(report: Outcome, *, just_exported: bool = False) -> str:
    """Return what to do now in a sentence or two; empty if there is nothing to do.

    Args:
        report: the report of a proof.
        just_exported: whether the file has just been exported, so that exporting it again would not help.
    """
    if just_exported and not report.passed:
        return _FRESH
    if any(check.name == CHOICE for check in report.failures):
        return _CHOSEN
    if "code" in report.reference and not report.passed:
        return _CHANGED
    if failed := _decisive(report):
        own = report.artifact.get("format") in _OWN_FORMATS
        known = next((group for group in REGISTRY if group.name == failed), None)
        advice = (known and known.own_advice) or _OWN if own else known.advice if known else ""
        return f"Do not use it. {advice}".strip()
    if not report.passed:
        return "Do not use it."
    if any(check.status == "not_run" for check in report.checks):
        return "Each line marked 'not run' states what is missing."
    return ""


def missing(report: Outcome) -> dict[str, list[str]]:
    """Return the names of the checks that did not run, by reason."""
    names: dict[str, list[str]] = {}
    for check in report.checks:
        if check.status == "not_run":
            names.setdefault(check.detail, []).append(check.name)
    return names


def _decisive(report: Outcome) -> str | None:
    """Return the group whose advice applies: the first that failed, or the one that reveals a wrong checkpoint.

    If the file itself is sound (at most the manifest check failed), wrong weights or a wrong spec mean that the
    artifact was made from another checkpoint.
    """
    failing = [group.group for group in summaries(report) if group.verdict == "failed"]
    if {check.name for check in report.failures if check.group == "file"} <= {"manifest"}:
        return next((group for group in _IDENTITY if group in failing), failing[0] if failing else None)
    return failing[0]


def _badness(share: float | None) -> float:
    """Return a sort key for shares: ``None`` comes first, NaN last."""
    if share is None:
        return -1.0
    return math.inf if math.isnan(share) else share
