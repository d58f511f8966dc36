"""The checks of a report by what they are about, and what to do about the first group that failed."""

import math
from dataclasses import dataclass

from .check import Check, Status
from .outcome import Outcome
from .registry import GROUPS, REGISTRY

__all__ = ["GroupSummary", "advice", "summaries"]

_MOST_TELLING: tuple[Status, ...] = ("failed", "passed", "not_run", "not_applicable")

_IDENTITY = ("weights", "contract")
"""What says whose file it is, the more telling one first."""
_OWN_FORMATS = ("function", "logits")
_FRESH = "It was not published. Another export would give the same file: take a format that is proven, or report it."
_OWN = "The program computes something else than the network: compare its preprocessing, layers and arithmetic with it."


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The checks of one group.

    Attributes:
        group: what they are about, see ``lenetx.report.GROUPS``.
        checks: at least one, in the order in which they ran.
    """

    group: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Status:
        """Failed if one failed, else passed if one passed, else not run; not applicable only where all are."""
        return next(status for status in _MOST_TELLING if any(check.status == status for check in self.checks))

    @property
    def ran(self) -> int:
        """How many checks gave an answer."""
        return sum(check.ran for check in self.checks)

    @property
    def asked(self) -> int:
        """How many checks there are to run for this artifact."""
        return sum(check.status != "not_applicable" for check in self.checks)

    @property
    def share(self) -> float | None:
        """The largest share of a limit that was used, ``None`` where nothing was measured."""
        return max((check.share for check in self.checks if check.share is not None), key=_badness, default=None)

    @property
    def subject(self) -> str:
        """What the check that decided looked at, and how many other things were."""
        deciding = max(
            (check for check in self.checks if check.status == self.verdict), key=lambda c: _badness(c.share)
        )
        others = {check.subject for check in self.checks} - {deciding.subject}
        return f"{deciding.subject}, and {len(others)} more" if others else deciding.subject


def summaries(report: Outcome) -> tuple[GroupSummary, ...]:
    """Return the groups that have a check, in the order of ``lenetx.report.GROUPS``; a strange one comes last."""
    names = dict.fromkeys([*GROUPS, *(check.group for check in report.checks)])
    groups = (GroupSummary(name, tuple(check for check in report.checks if check.group == name)) for name in names)
    return tuple(group for group in groups if group.checks)


def advice(report: Outcome, *, fresh: bool = False) -> str:
    """Return what to do now in a sentence or two, nothing where there is nothing to do.

    Args:
        report: of the proof.
        fresh: it is of a file that has just been exported, and that another export would only make again.
    """
    if fresh and not report.passed:
        return _FRESH
    if failed := _decisive(report):
        own = report.artifact.get("format") in _OWN_FORMATS
        known = next((group for group in REGISTRY if group.name == failed), None)
        advice = (known and known.own_advice) or _OWN if own else known.advice if known else ""
        return f"Do not use it. {advice}".strip()
    if not report.passed:
        return "Do not use it."
    if any(check.status == "not_run" for check in report.checks):
        return "What was not run says what it needs."
    return ""


def _decisive(report: Outcome) -> str | None:
    """Name the group that says what to do: the first that failed, but other weights before what follows from them.

    A sound file that is not the published one is another network's, where its weights or its spec are not the
    checkpoint's.
    """
    failing = [group.group for group in summaries(report) if group.verdict == "failed"]
    if {check.name for check in report.failures if check.group == "file"} <= {"manifest"}:
        return next((group for group in _IDENTITY if group in failing), failing[0] if failing else None)
    return failing[0]


def _badness(share: float | None) -> float:
    """Order shares: none at all first, NaN last."""
    if share is None:
        return -1.0
    return math.inf if math.isnan(share) else share
