"""One question that was asked of an artifact, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["Check", "Status"]

Status = Literal["passed", "failed", "not_applicable", "not_run"]


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
        group: which of ``lenetx.report.GROUPS`` it belongs to.
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
        """Return the same check with figures."""
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
