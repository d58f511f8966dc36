"""Check an ORT file without running it, and list the operators that it needs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.ort_session import import_engine

from ...report import Check
from ..local_paths import LOCAL_PATHS, local_paths
from ..onnx.structure import structure as onnx_structure
from .contents import Contents, read, write
from .convert import converted
from .translate import fuse

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["ENGINE", "required_operators", "structure", "without_metadata"]

ENGINE = "onnxruntime"
"""The key of the metadata under which the version of onnxruntime is stored."""


def structure(contents: Contents, model: "ModelProto", spec: ModelSpec) -> tuple[Check, ...]:
    """Check the file itself: its graph as ONNX, local paths, and that onnxruntime writes this file for this graph.

    Args:
        contents: of the file.
        model: the file translated to ONNX.
        spec: its spec.
    """
    translated = [check for check in onnx_structure(model, spec) if check.name != LOCAL_PATHS]
    return (*translated, _as_written(contents, model), local_paths(_texts(contents)))


def required_operators(contents: Contents) -> bytes:
    """Return the configuration of a minimal build of onnxruntime that runs the file.

    One line for each domain and version, as ``onnxruntime.tools.ort_format_model.create_config_from_models`` writes.
    """
    lines = ["# Generated from model/s:", "# - the .ort file beside this one"]
    used: dict[tuple[bytes, int], set[bytes]] = {}
    for node in contents["model"]["graph"]["nodes"]:
        used.setdefault((node.get("domain", b"") or b"ai.onnx", node["since_version"]), set()).add(node["operator"])
    for (domain, version), operators in sorted(used.items()):
        lines.append(f"{domain.decode()};{version};{b','.join(sorted(operators)).decode()}")
    return ("\n".join(lines) + "\n").encode()


def without_metadata(contents: Contents) -> Contents:
    """Return contents without the embedded spec and the names and versions of the programs that made the file."""
    dropped = ("metadata", "producer", "producer_version")
    return contents | {"model": {key: value for key, value in contents["model"].items() if key not in dropped}}


def _as_written(contents: Contents, model: "ModelProto") -> Check:
    """Check what the translation leaves out: types, edges, and the table by which the engine finds its kernels."""
    from onnx import ModelProto

    entries = {each.get("key"): each.get("value", b"") for each in contents["model"]["metadata"]}
    written, here = entries.get(ENGINE.encode(), b"").decode(errors="replace"), import_engine().__version__
    subject = f"the file that onnxruntime {here} writes"
    if written != here:
        detail = f"It was written by onnxruntime {written or 'of an unknown version'}."
        return Check("engine's form", subject, "not_applicable", detail=detail)
    copied = ModelProto()
    copied.CopyFrom(model)
    fuse(copied)
    same = without_metadata(read(write(converted(copied)))) == without_metadata(contents)
    problem = None if same else "It is another one than onnxruntime writes for this graph."
    return Check.verdict("engine's form", subject, problem, "It is the same, apart from the order of its tables.")


def _texts(value: Any) -> Iterator[bytes]:
    """Yield every text of the contents; the numbers of tensors are none."""
    if isinstance(value, bytes):
        yield value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        if key != "raw":
            yield from _texts(inner)
