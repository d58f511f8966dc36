"""The certificate of a proof that passed, beside the artifact; :mod:`lenetx_runtime.certificate` reads it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from lenetx_runtime.certificate import CERTIFICATE_VERSION, certificate_path

from .errors import OutputError
from .files import write_atomically
from .report import Report

__all__ = ["certificate_of", "certify"]


def certificate_of(report: Report) -> bytes:
    """Give the certificate, JSON text, of an artifact whose proof passed; schema: docs/files.md.

    Raises:
        ValueError: the proof did not pass.
    """
    if not report.passed:
        raise ValueError(f"there is no certificate of a proof that failed: {report.conclusion}")
    document = {
        "certificate_version": CERTIFICATE_VERSION,
        "passed": True,
        "conclusion": report.conclusion,
        "artifact": dict(report.artifact),
        "reference": dict(report.reference),
        "environment": dict(report.environment),
        "checks": [{"name": each.name, "subject": each.subject, "status": each.status} for each in report.checks],
        "date": datetime.now(UTC).date().isoformat(),
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def certify(artifact: str | Path, report: Report) -> None:
    """Write the certificate beside an artifact or, where the proof failed, remove the one that is there.

    Args:
        artifact: path of the file that was judged.
        report: what :func:`lenetx.verify` gave for it.

    Raises:
        OutputError: the folder cannot be written to.
    """
    place = certificate_path(Path(artifact))
    if report.passed:
        write_atomically(place, certificate_of(report))
        return
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"'{place}' does not hold any more and could not be removed: {error.strerror}.") from None
