"""Write C from an adopted ONNX file of another program, and open such C for a proof."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime.layout import DEFAULT_LAYOUT
from lenetx_runtime.onnx_file import read_spec

from ..artifact import OpenedArtifact
from ..foreign_onnx.opening import opened
from ..foreign_onnx.read import naming, parse, without_descriptions
from ..foreign_onnx.simplify import simplified
from . import open_with_source
from .source import written

if TYPE_CHECKING:
    from torch import nn

    from ...weights.checkpoint import Checkpoint

__all__ = ["adopted", "open_adopted"]


def adopted(contents: bytes, stem: str) -> bytes:
    """Return the C file of an adopted ONNX file: of its graph without constants, identities and dropout.

    Args:
        contents: the ONNX file, with the spec that adoption gave it.
        stem: the name of the C file without its suffix.

    Raises:
        InputError: an operator, or a use of one, has no C; it names the node.
    """
    spec, model = read_spec(contents), parse(contents)
    without_descriptions(model)
    readable = simplified(model, spec)
    del readable.metadata_props[:]
    plain = dataclasses.replace(spec, layout=DEFAULT_LAYOUT, content_sha256=None)
    return written(readable, plain, stem).text.encode("ascii")


def open_adopted(
    path: Path, checkpoint: "Checkpoint", built: "nn.Module", *, device: str = "cpu", named: Path | None = None
) -> OpenedArtifact:
    """Compile the C file of an adopted ONNX file, and find the network's weights in it.

    Args:
        path: the file.
        checkpoint: the weights that it should have.
        built: their module in eval mode, which is not changed.
        device: where it runs.
        named: the path to name in errors; by default ``path``.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: another device was requested, or there is no compiler.
    """
    with naming(named or path, "proven"):
        compiled, source = open_with_source(path, device)
        model = source.model
        graph = opened(compiled.artifact, model.SerializeToString(), model, checkpoint, built, "cpu")
        own = [check for check in compiled.structure if check.name == "header"]
        return dataclasses.replace(
            graph,
            backend=compiled.backend,
            structure=(*graph.structure, *own),
            runs=compiled.runs,
            layers=None,
            entering=None,
        )
