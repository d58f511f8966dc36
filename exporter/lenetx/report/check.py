"""Define ``Check``, the result of one check of an artifact."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["Check", "Status"]

Status = Literal["passed", "failed", "not_applicable", "not_run"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of an artifact.

    Attributes:
        name: the check's name.
        subject: what was checked and how many, such as ``360 test images of digits``.
        status: ``passed``, ``failed``, ``not_applicable`` if the check does not apply to the artifact, or ``not_run``
            if something that it needs is missing; neither of these counts as passed.
        measured: the worst value found; ``None`` if nothing is measured.
        limit: the largest value that passes, in the unit of ``measured``; ``None`` if there is none.
        detail: sentences on what was found and what to do about it.
        group: one of ``lenetx.report.GROUPS``.
        figures: data for a plot, as plain values with a "kind" (docs/verification.md lists them).
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
        """Return a copy with figures."""
        return replace(self, figures=figures)

    @classmethod
    def verdict(cls, name: str, subject: str, problem: str | None, detail: str = "", group: str = "file") -> "Check":
        """Return a check that failed with ``problem`` as its detail, or passed if ``problem`` is empty or ``None``."""
        return cls(name, subject, "failed" if problem else "passed", detail=problem or detail, group=group)

    @property
    def ran(self) -> bool:
        """Whether it passed or failed."""
        return self.status in ("passed", "failed")

    @property
    def share(self) -> float | None:
        """``measured`` ÷ ``limit``, where 0.0 to 1.0 passes; ``None`` if either is missing or the limit is 0."""
        if self.measured is None or not self.limit:
            return None
        return self.measured / self.limit
