"""Define ``Report``, the outcome of a proof that can be printed, converted and raised."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ProofFailed
from .check import Check
from .notebook import to_fragment
from .outcome import Outcome
from .page import to_html
from .table import table_lines

__all__ = ["Report", "to_json"]

SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True, repr=False)
class Report(Outcome):
    """The outcome of a proof. ``print`` shows its table, as ``lenetx verify`` does.

    Attributes:
        checks: in the order in which they ran.
        environment: versions and machine, in words.
        artifact: file name, format, precision, SHA-256 and size in bytes.
        reference: architecture, weights digest, file and data of the checkpoint, and the number of real images seen.
    """

    @classmethod
    def unreadable(cls, name: str, reason: str) -> "Report":
        """Return the failed report of a file that could not be opened."""
        return cls((Check("file", name, "failed", detail=reason),), {}, {"name": name}, {})

    def __str__(self) -> str:
        return "\n".join(line.text for line in table_lines(self))

    def _repr_html_(self) -> str:
        """Return the report as notebooks show it."""
        return to_fragment(self)

    def raise_if_failed(self) -> None:
        """Raise if the report did not pass.

        Raises:
            ProofFailed: a check failed, or none passed.
        """
        if not self.passed:
            reasons = (f"  {check.name}: {check.detail}" for check in self.failures)
            raise ProofFailed("\n".join((self.conclusion, *reasons)), (self,))

    def to_json(self) -> str:
        """Return this report as a JSON document, see ``lenetx.report.to_json``."""
        return to_json([self])

    def to_html(self) -> str:
        """Return this report as an HTML document, see ``lenetx.report.to_html``."""
        return to_html([self])


def to_json(reports: Sequence[Report]) -> str:
    """Return one JSON document for any number of reports (schema: docs/verification.md)."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "passed": all(report.passed for report in reports),
        "reports": [report.to_dict() for report in reports],
    }
    return json.dumps(document, indent=2)
