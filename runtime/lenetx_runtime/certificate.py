"""Check the certificate beside a model: a record that lenetx proved exactly its bytes.

It is not a signature: anyone who can write to the folder can also write a certificate.
"""

import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import ArtifactError, InputError
from .files import read_bytes
from .spec import UNPROVEN, ModelSpec
from .values import is_digest, is_text, parse_json

__all__ = ["CERTIFICATE_VERSION", "LARGEST_CERTIFICATE", "certificate_path", "require_certificate", "unproven_words"]

CERTIFICATE_VERSION = 1

_SUFFIX = ".verified.json"
_STAGING = ".lenetx-*"
LARGEST_CERTIFICATE = 2**20
"""Maximum size in bytes; a real certificate has a few thousand."""
_FIELDS = {
    "artifact": dict,
    "certificate_version": int,
    "checks": list,
    "conclusion": str,
    "date": str,
    "environment": dict,
    "passed": bool,
    "reference": dict,
}
_STATUSES = ("passed", "failed", "not_applicable", "not_run")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def certificate_path(artifact: Path) -> Path:
    """Return the path of an artifact's certificate: the artifact's path with ``.verified.json`` appended."""
    return artifact.with_name(f"{artifact.name}{_SUFFIX}")


def require_certificate(path: Path, data: bytes, spec: ModelSpec) -> None:
    """Check that the certificate beside a model proves exactly these bytes, with this spec.

    Raises:
        ArtifactError: it is missing, damaged, for another file or checkpoint, or records a failed proof.
    """
    if spec.origin == UNPROVEN:
        raise ArtifactError(f"It is not verified: {unproven_words(path.name)}")
    place = certificate_path(path)
    if (problem := _problem(place, data, spec)) and all(_problem(each, data, spec) for each in _meanwhile(place)):
        name = place.name
        raise ArtifactError(
            f"It is not verified: {problem}. Run 'lenetx verify' on it, or copy {name} from beside the original."
        )


def unproven_words(name: str) -> str:
    """Return why a model that was adopted without a proof has no certificate, and what would give it one."""
    return (
        f"it was adopted unproven, without weights to compare it with. 'lenetx adopt {name} --against WEIGHTS -o "
        "FOLDER' proves it."
    )


def _meanwhile(place: Path) -> Iterator[Path]:
    """Yield the paths where a certificate may be while lenetx replaces it."""
    for pattern in (f"{_STAGING}/{glob.escape(place.name)}", f"{_STAGING}/old/{glob.escape(place.name)}"):
        yield from place.parent.glob(pattern)
    yield place


def _problem(place: Path, data: bytes, spec: ModelSpec) -> str | None:
    import hashlib

    try:
        document = parse_json(read_bytes(place, "certificate", limit=LARGEST_CERTIFICATE))
    except InputError as error:
        return f"{str(error)[0].lower()}{str(error)[1:].removesuffix('.')}"
    except ValueError:
        document = None
    if not _is_certificate(document):
        return f"its certificate '{place}' is damaged or of another version"
    if document["artifact"]["sha256"] != hashlib.sha256(data).hexdigest():
        return f"its certificate '{place}' is of another file, or of this one before it was changed"
    if document["reference"]["weights_sha256"] != spec.weights_sha256:
        return f"its certificate '{place}' is of a proof against another checkpoint"
    statuses = {check["status"] for check in document["checks"]}
    if not document["passed"] or "failed" in statuses or "passed" not in statuses:
        return f"its certificate '{place}' does not say that the proof passed"
    return None


def _is_certificate(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and document.keys() == _FIELDS.keys()
        and all(type(document[name]) is kind for name, kind in _FIELDS.items())
        and document["certificate_version"] == CERTIFICATE_VERSION
        and is_digest(document["artifact"].get("sha256"))
        and is_digest(document["reference"].get("weights_sha256"))
        and _DATE.fullmatch(document["date"]) is not None
        and all(map(_is_check, document["checks"]))
    )


def _is_check(check: Any) -> bool:
    named = isinstance(check, dict) and all(is_text(check.get(key)) for key in ("name", "subject"))
    return named and check.get("status") in _STATUSES
