"""Read and write the manifest, a JSON file that lists the artifacts published to a folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lenetx_runtime.files import read_bytes
from lenetx_runtime.values import parse_json

from ..errors import ArtifactError, InputError
from ..files import exists
from ..report import Check, Report

__all__ = ["MANIFEST", "entry_of", "merged", "published_check"]

MANIFEST = "manifest.json"
_VERSION = 1
_LARGEST = 2**24
"""Maximum size in bytes; an artifact's entry takes about 600."""


def entry_of(artifact: Path) -> Mapping[str, Any] | None:
    """Return the manifest's entry for an artifact; ``None`` if there is no entry or no manifest.

    Raises:
        ArtifactError: the manifest is damaged.
    """
    return _entries(artifact.parent / MANIFEST).get(artifact.name)


def merged(folder: Path, reports: Sequence[Report], weights_sha256: str) -> bytes:
    """Return a manifest with the artifacts of these reports, and those of the old manifest that still exist.

    A damaged old manifest is ignored.
    """
    try:
        old = _entries(folder / MANIFEST)
    except ArtifactError:
        old = {}
    entries = {name: entry for name, entry in old.items() if exists(folder / name)}
    for report in reports:
        entry = {key: value for key, value in report.artifact.items() if key != "name"}
        entry |= {"weights_sha256": weights_sha256, "conclusion": report.conclusion}
        entries[str(report.artifact["name"])] = entry
    document = {"manifest_version": _VERSION, "artifacts": dict(sorted(entries.items()))}
    return (json.dumps(document, indent=2) + "\n").encode()


def _entries(path: Path) -> dict[str, Mapping[str, Any]]:
    if not exists(path):
        return {}
    try:
        document = parse_json(read_bytes(path, "manifest", limit=_LARGEST))
        entries = dict(document["artifacts"])
        sound = document["manifest_version"] == _VERSION and all(isinstance(each, dict) for each in entries.values())
    except (InputError, ValueError, KeyError, TypeError):
        sound, entries = False, {}
    if not sound:
        raise ArtifactError(f"The manifest '{path}' is damaged: export again.")
    return entries


def published_check(path: Path, sha256: str) -> Check:
    """Check that a file with that digest is the one that the manifest beside it lists."""
    try:
        entry = entry_of(path)
    except ArtifactError as error:
        return Check("manifest", MANIFEST, "failed", detail=str(error))
    if entry is None:
        return Check("manifest", MANIFEST, "not_run", detail=f"There is no {MANIFEST} that lists {path.name}.")
    problem = None if entry.get("sha256") == sha256 else f"The file is not the one that was published: {sha256}."
    return Check.verdict("manifest", MANIFEST, problem, "The file is the one that was published.")
