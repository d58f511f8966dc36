"""Write the certificate of a passed proof beside the artifact; ``lenetx_runtime.certificate`` reads it."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from lenetx_runtime.certificate import CERTIFICATE_VERSION, LARGEST_CERTIFICATE, certificate_path, unproven_words
from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import UNPROVEN
from lenetx_runtime.values import parse_json

from ..errors import InputError, OutputError
from ..files import write_atomically
from ..report import Report
from .transaction import lock_and_recover

__all__ = ["certificate_of", "certify", "conclusion_of", "stronger_certificate_note"]

_FIELDS = {
    "certificate_version",
    "passed",
    "conclusion",
    "artifact",
    "reference",
    "environment",
    "checks",
    "date",
}


def certificate_of(report: Report) -> bytes:
    """Return the certificate of a passed proof as JSON text (schema: docs/files.md).

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


def certify(artifact: str | Path, report: Report) -> str | None:
    """Write the certificate beside an artifact or, if the proof failed, remove the existing one.

    A failed proof against other weights does not remove a certificate of the same bytes, and a passed one does not
    replace a certificate of the same bytes and weights whose proof saw more real images.

    Args:
        artifact: the path of the artifact.
        report: the result of ``lenetx.verify`` for it.

    Returns:
        A sentence if a stronger certificate is kept, or none is written: because other files hold the weights, or
        because the ranges of int8 were not compared.

    Raises:
        OutputError: the folder is not writable.
        InputError: the file's bytes are not those of the report.
    """
    path = Path(artifact)
    if report.passed and report.artifact.get("origin") == UNPROVEN:
        return f"'{path}' gets no certificate: {unproven_words(path.name)}"
    if report.passed and "external_data" in report.artifact:
        return (
            f"'{path}' gets no certificate, which would not cover its weights in {report.artifact['external_data']}: "
            "'lenetx adopt' takes them in."
        )
    if report.passed and any(check.name == "calibration" and not check.ran for check in report.checks):
        return f"'{path}' gets no certificate: its ranges were not calibrated again. Name their data set with --data."
    with lock_and_recover(path.parent):
        is_same = hashlib.sha256(read_bytes(path, "artifact")).hexdigest() == report.artifact.get("sha256")
        return _certify(certificate_path(path), path, report, is_same=is_same)


def _certify(place: Path, path: Path, report: Report, *, is_same: bool) -> str | None:
    if report.passed:
        if not is_same:
            raise InputError(
                f"'{path}' was replaced while it was being verified, and is not certified: verify it again."
            )
        if note := stronger_certificate_note(place, report):
            return note
        write_atomically(place, certificate_of(report))
        return None
    if _is_of_other_weights(place, report) or ("sha256" in report.artifact and not is_same):
        return None
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"'{place}' is no longer valid and could not be removed: {error.strerror}.") from None
    return None


def conclusion_of(artifact: Path, sha256: str) -> str:
    """Return the conclusion of the certificate beside an artifact, or why there is no valid one.

    Args:
        artifact: the path of the artifact.
        sha256: the digest of its bytes.
    """
    place = certificate_path(artifact)
    about = _about(place)
    if about is None:
        return f"not proven: there is no usable certificate '{place.name}' beside it; 'lenetx verify' makes one."
    if about[0] != sha256:
        return f"not proven: the certificate '{place.name}' is of another file, or of this one before it was changed."
    return about[4]


def stronger_certificate_note(place: Path, report: Report) -> str | None:
    """Return a note if the certificate at ``place`` is for the same bytes and weights and saw more real images.

    Return ``None`` otherwise.
    """
    about = _about(place)
    if about is None or about[:2] != _identity(report) or about[2] <= _images(report.reference.get("images")):
        return None
    return f"'{place}' is from a proof with more images ({about[3]}) and is kept."


def _is_of_other_weights(place: Path, report: Report) -> bool:
    about, (sha256, weights) = _about(place), _identity(report)
    return about is not None and about[0] == sha256 and about[1] != weights


def _identity(report: Report) -> tuple[object, object]:
    return report.artifact.get("sha256"), report.reference.get("weights_sha256")


def _about(place: Path) -> tuple[object, object, int, str, str] | None:
    """Return a certificate's artifact and weights digests, number of real images, scope and conclusion.

    Return ``None`` if the file is missing or not a valid certificate.
    """
    try:
        document = parse_json(read_bytes(place, "certificate", limit=LARGEST_CERTIFICATE))
        reference, images = document["reference"], _images(document["reference"].get("images"))
        if document.keys() != _FIELDS or document["certificate_version"] != CERTIFICATE_VERSION:
            return None
        if document["passed"] is not True or any(check["status"] == "failed" for check in document["checks"]):
            return None
        seen = f"{images:,} test image{'s' * (images != 1)} of {reference.get('data')}"
        conclusion = str(document["conclusion"])
        return document["artifact"]["sha256"], reference["weights_sha256"], images, seen, conclusion
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _images(number: object) -> int:
    return number if type(number) is int else 0
