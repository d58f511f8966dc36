"""The certificate of a proof that passed, beside the artifact; :mod:`lenetx_runtime.certificate` reads it."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from lenetx_runtime.certificate import CERTIFICATE_VERSION, certificate_path
from lenetx_runtime.files import read_bytes

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

    A certificate of the same bytes and other weights stays: who compares with another checkpoint learns nothing of it.

    Args:
        artifact: path of the file that was judged.
        report: what :func:`lenetx.verify` gave for it.

    Raises:
        OutputError: the folder cannot be written to.
        ValueError: the report is of something else than that file.
    """
    place = certificate_path(Path(artifact))
    if report.passed:
        if hashlib.sha256(read_bytes(Path(artifact), "artifact")).hexdigest() != report.artifact.get("sha256"):
            raise ValueError(f"the report is not of '{artifact}'")
        write_atomically(place, certificate_of(report))
        return
    if _is_of_other_weights(place, report):
        return
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"'{place}' does not hold any more and could not be removed: {error.strerror}.") from None


def _is_of_other_weights(place: Path, report: Report) -> bool:
    try:
        document = json.loads(place.read_bytes())
        same_bytes = document["artifact"]["sha256"] == report.artifact.get("sha256")
        same_weights = document["reference"]["weights_sha256"] == report.reference.get("weights_sha256")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return bool(same_bytes and not same_weights)
