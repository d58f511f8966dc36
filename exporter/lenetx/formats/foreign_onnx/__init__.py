"""Open ONNX files that other programs wrote, to prove that they compute what a PyTorch network computes.

``read`` and ``external`` parse the file and include external weights; ``contract`` and ``precision`` find its axes
and check that it is a float32 classifier; ``outputs`` leaves all outputs but one out, and ``branches`` all branches but
those that are taken; ``sizes`` makes the sizes that it divides by constants; ``simplify``, ``constants``, ``older`` and
``match`` write it in the form that ``lenetx.graph`` reads, under the network's names. The engine runs bytes rewritten
from what was parsed. ``adoption`` writes such a file with a spec in it and opens it; ``unproven`` writes one of which
only the file is known.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.files import read_bytes
from lenetx_runtime.onnx_file import check_graph

from ...models.adapt import chosen_in
from ..artifact import Artifact, OpenedArtifact
from .adoption import adopted, open_adopted
from .branches import follow_branches
from .contract import fit_axes, require_classifier, require_one, size_of, spec_for
from .describe import described
from .opening import opened
from .outputs import choose, keep_output
from .precision import FLOAT32
from .protobuf import replace
from .read import is_sealed, load, naming, parse
from .sizes import fix_divisors
from .structure import left_out
from .unproven import unproven

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

    from ...weights.checkpoint import Checkpoint

__all__ = ["adopted", "described", "input_of", "is_foreign", "open_adopted", "open_foreign", "outputs_of", "unproven"]

SUFFIX = ".onnx"


def is_foreign(path: Path) -> bool:
    """Return whether a path is that of an ONNX file without the metadata of lenetx.

    Raises:
        InputError: the file is missing or cannot be read.
        ArtifactError: its name ends in .onnx and it is not an ONNX model.
    """
    try:
        return path.suffix == SUFFIX and not is_sealed(parse(read_bytes(path, "model")))
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None


def input_of(path: Path) -> tuple[tuple[int, int] | None, int | None]:
    """Return the (height, width) and the number of channels that a foreign file takes; ``None`` for what is not known.

    Raises:
        InputError, ArtifactError: as ``open_foreign``.
    """
    try:
        model = parse(read_bytes(path, "model"))
        held = {tensor.name for tensor in model.graph.initializer}
        kept = [value for value in model.graph.input if value.name not in held]
        replace(model.graph.input, kept)
        require_one("input", model.graph.input)
        return size_of(model.graph.input[0])
    except InputError as error:
        raise InputError(f"'{path}' cannot be proven. {error}") from None


def outputs_of(path: Path) -> tuple[str, ...]:
    """Return the names of a foreign file's outputs.

    Raises:
        InputError, ArtifactError: as ``is_foreign``.
    """
    return tuple(value.name for value in parse(read_bytes(path, "model")).graph.output)


def open_foreign(
    path: Path,
    checkpoint: "Checkpoint",
    built: "nn.Module",
    *,
    device: str = "cpu",
    layout: str | None = None,
    output: str | None = None,
) -> OpenedArtifact:
    """Open a foreign file with onnxruntime, and find the network's weights in it.

    Args:
        path: the file.
        checkpoint: the weights that it should have.
        built: their module in eval mode, which is not changed.
        device: where it runs: ``cpu``, ``cuda`` or ``cuda:N``.
        layout: of its input, see ``ModelSpec.layout``; found by its axes if ``None``.
        output: index or name of the logits among several outputs, see ``outputs.choose``. The others are left out, with
            what only they need.

    Raises:
        InputError: the file is missing, it is not a float32 classifier with the network's axes, or several of its
            outputs can be the logits.
        ArtifactError: it is damaged, or its weights are missing.
        DeviceUnavailable, EngineMissing: the device or onnxruntime is not available.
    """
    with naming(path, "proven"):
        return _open(path, checkpoint, built, device, layout, output)


def _open(
    path: Path, checkpoint: "Checkpoint", built: "nn.Module", device: str, layout: str | None, output: str | None
) -> OpenedArtifact:
    model, data, beside = load(path)
    others = keep_output(model, choose(model, len(checkpoint.spec.labels), chosen_in(built), output))
    require_classifier(model)
    spec = spec_for(model, checkpoint.spec, layout)
    fit_axes(model, spec)
    branches = follow_branches(model, spec)
    ours = _checked(model, spec)
    artifact = Artifact(
        "onnx",
        FLOAT32,
        path,
        hashlib.sha256(data).hexdigest(),
        len(data),
        spec,
        is_foreign=True,
        beside=beside,
        others=others,
    )
    return opened(artifact, ours, model, checkpoint, built, device, left_out(model, others, branches))


def _checked(model: "ModelProto", spec: ModelSpec) -> bytes:
    """Return the bytes of a model that cannot crash an engine; for that, divisors may become constants, in place."""
    try:
        return _checked_as_it_is(model, spec)
    except ArtifactError:
        fix_divisors(model, spec)
        return _checked_as_it_is(model, spec)


def _checked_as_it_is(model: "ModelProto", spec: ModelSpec) -> bytes:
    ours: bytes = model.SerializeToString(deterministic=True)
    check_graph(ours, spec, any_domain=True)
    return ours
