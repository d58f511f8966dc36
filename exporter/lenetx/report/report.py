"""The report of a proof: its outcome, as a value that prints, converts and raises."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ProofFailed
from .check import Check
from .outcome import Outcome
from .page import to_html
from .table import table_lines

__all__ = ["Report", "to_json"]

SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True, repr=False)
class Report(Outcome):
    """The outcome of a proof. ``print`` shows its table, as ``lenetx verify`` does; attributes: ``Outcome``'s."""

    @classmethod
    def unreadable(cls, name: str, reason: str) -> "Report":
        """Make the failed report of a file that could not be opened."""
        return cls((Check("file", name, "failed", detail=reason),), {}, {"name": name}, {})

    def __str__(self) -> str:
        return "\n".join(line.text for line in table_lines(self))

    def raise_if_failed(self) -> None:
        """Check that the report passed.

        Raises:
            ProofFailed: it did not.
        """
        if not self.passed:
            reasons = " ".join(f"{check.name}: {check.detail}" for check in self.failures)
            raise ProofFailed(f"{self.conclusion} {reasons}", (self,))

    def to_json(self) -> str:
        """Return one JSON document that holds this report, see ``to_json``."""
        return to_json([self])

    def to_html(self) -> str:
        """Return one HTML document that holds this report, see ``lenetx.report.to_html``."""
        return to_html([self])


def to_json(reports: Sequence[Report]) -> str:
    """Return one JSON document for any number of reports (schema: docs/verification.md)."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "passed": all(report.passed for report in reports),
        "reports": [report.to_dict() for report in reports],
    }
    return json.dumps(document, indent=2)
