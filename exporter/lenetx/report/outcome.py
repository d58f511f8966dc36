"""Hold the outcome of a proof: all checks of one artifact, and the verdict that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .check import Check

__all__ = ["CHOICE", "Outcome", "plain_number"]

CHOICE = "choice"
"""The check that reports how a program differs by choice rather than by mistake."""

_INSIDE = ("weights", "graph")
"""Checks that detect changes too small for the limits; the conclusion names those that did not run."""
_UNCOMPARED = "so other results for rare inputs or larger batches are not excluded"
"""What follows if the graph was not compared: operators may act only on inputs or batches that no check has."""

_NAMED = 3
"""Maximum number of failed checks that the conclusion names."""


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """All checks of one artifact, and the verdict that follows from them.

    Attributes:
        checks: in the order in which they ran.
        environment: versions and machine, in words.
        artifact: file name, format, precision, SHA-256 and size in bytes; ``arithmetic`` if only the weights are in
            that precision; ``origin``, a fixed ``batch``, the only ``output`` of several that was proven and files of
            ``external_data`` if another program wrote the file.
        reference: architecture, weights digest, file and data of the checkpoint, and the number of real images seen.
    """

    checks: tuple[Check, ...]
    environment: Mapping[str, str]
    artifact: Mapping[str, str | int]
    reference: Mapping[str, str | int]

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "NOT passed"
        checks = f"{len(self.checks)} check{'s' * (len(self.checks) != 1)}"
        return f"<Report of {self.artifact['name']!r}: {verdict}, {checks}>"

    @property
    def is_unreadable(self) -> bool:
        """Whether the file could not be opened, so that no other check ran."""
        return not self.environment

    @property
    def passed(self) -> bool:
        """Whether no check failed and at least one passed."""
        return not self.failures and any(check.status == "passed" for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "failed")

    @property
    def conclusion(self) -> str:
        """The verdict and its scope, in a sentence or two."""
        name = self.artifact["name"]
        if not self.passed:
            return self._refutation()
        scope = self._scope()
        if self.artifact.get("format") == "logits":
            return f"{name} computes what eager PyTorch computes ({self.checks[0].subject})."
        if self.artifact.get("precision", "float32") != "float32":
            return self._conclusion_in_reduced_precision(scope)
        unseen = {check.name: check for check in self.checks if check.name in _INSIDE and not check.ran}
        if unseen.keys() == {"graph"}:
            first, reason = f"The graph was not compared, {_UNCOMPARED}", unseen["graph"].detail
            return f"{first}: {reason} On the inputs, {name} computes what eager PyTorch computes ({scope})."
        if unseen:
            scope += f"; not seen: {', '.join(unseen)}" + f", {_UNCOMPARED}" * ("graph" in unseen)
        return f"{name} computes what eager PyTorch computes ({scope})."

    def _refutation(self) -> str:
        name = self.artifact["name"]
        against = f" against {self.reference['checkpoint']}" if "checkpoint" in self.reference else ""
        choice = next((check for check in self.failures if check.name == CHOICE), None)
        if choice is not None:
            return f"{name} is NOT proven{against}: it differs by choice. {choice.detail}"
        failed = [check.name for check in self.failures]
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return f"{name} is NOT proven{against}: {', '.join(failed[:_NAMED]) or 'no check ran'}{more}."

    def _scope(self) -> str:
        """Return what the proof covers, in words."""
        real = (check.subject for check in self.checks if check.group == "real data" and check.ran)
        scope = next(real, "no real images seen")
        if "code" in self.reference:
            scope += "; with changed code, which was accepted"
        if "batch" in self.artifact:
            scope += f"; in batches of {self.artifact['batch']} only"
        if "output" in self.artifact:
            scope += f"; its output '{self.artifact['output']}' only"
        if "input" in self.artifact:
            scope += f"; from {self.artifact['input']}"
        return scope

    def _conclusion_in_reduced_precision(self, scope: str) -> str:
        name, precision = self.artifact["name"], self.artifact["precision"]
        accuracy = next((check.detail for check in self.checks if check.name == "accuracy" and check.ran), "")
        if any(check.name == "calibration" and not check.ran for check in self.checks):
            scope += "; its ranges were not calibrated again, so wrong ones are not excluded"
        claim = f"{name} is the network in {precision}, and computes what that graph means ({scope})."
        if "arithmetic" in self.artifact:
            claim = (
                f"{name} is the network with its weights rounded to {precision}, and computes what that network does "
                f"in {self.artifact['arithmetic']} ({scope})."
            )
        return f"{claim} {accuracy}".strip()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON; non-finite numbers become strings."""
        checks = [{each.name: _plain(getattr(check, each.name)) for each in fields(check)} for check in self.checks]
        return {
            "passed": self.passed,
            "conclusion": self.conclusion,
            "artifact": dict(self.artifact),
            "reference": dict(self.reference),
            "environment": dict(self.environment),
            "checks": checks,
        }


def plain_number(value: Any) -> Any:
    """Return a non-finite float as a string, since JSON cannot represent it; return anything else unchanged."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value


def _plain(value: Any) -> Any:
    """Convert nested mappings, sequences, strings and numbers to values that JSON can represent."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return plain_number(value)
