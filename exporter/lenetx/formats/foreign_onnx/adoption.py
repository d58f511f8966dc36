"""Write another program's ONNX file with an embedded spec, and open such a file for a proof."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.files import read_bytes
from lenetx_runtime.limits import size_in_words
from lenetx_runtime.onnx_file import read_spec, seal
from lenetx_runtime.spec import ADOPTED, METADATA_KEY, UNPROVEN

from ...models.adapt import chosen_in
from ..artifact import Artifact, OpenedArtifact
from .contract import axes_of_value, fit_axes, require_classifier, spec_for
from .opening import opened
from .outputs import choose, keep_output
from .precision import FLOAT32
from .read import LARGEST, fill, naming, parse, require_opset, texts, without_descriptions

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

    from ...weights.checkpoint import Checkpoint

__all__ = ["adopted", "as_the_runtime", "keep_only", "open_adopted", "sealed", "whole"]

_EMPTY = "0" * 64


def adopted(
    path: Path,
    spec: ModelSpec,
    built: "nn.Module",
    layout: str | None = None,
    output: str | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> bytes:
    """Return the contents of a foreign file with a spec in it.

    Nodes and tensors are kept byte for byte; external weights are included, and the axes of the input and the output
    are filled in if the file leaves them open. Of several outputs one is kept; the nodes and tensors that only the
    others need are left out.

    Args:
        path: the file, or an unproven one of lenetx, whose spec is replaced.
        spec: of the network.
        built: the network's module in eval mode.
        layout: of the file's input, see ``ModelSpec.layout``; found by its axes if ``None``.
        output: index or name of the logits among several outputs, see ``outputs.choose``.
        on_notice: called with a sentence if outputs are left out.

    Raises:
        InputError: the file is missing or too large, it is not a float32 classifier with the network's axes, or several
            of its outputs can be the logits.
        ArtifactError: it is damaged, its weights are missing, or it holds something that ``lenetx_runtime`` rejects.
    """
    with naming(path, "adopted"):
        model = whole(path)
        keep_only(model, choose(model, len(spec.labels), chosen_in(built), output), path, on_notice)
        return sealed(model, spec, ADOPTED, layout)


def keep_only(model: "ModelProto", name: str, path: Path, on_notice: Callable[[str], None]) -> None:
    """Leave out all other outputs, see ``keep_output``, with a notice."""
    if others := keep_output(model, name):
        on_notice(
            f"'{path.name}' has {len(others) + 1} outputs: {texts(name)} is kept; {', '.join(map(texts, others))} and "
            "what only they need are left out."
        )


def whole(path: Path) -> "ModelProto":
    """Return the model in a file, with the weights beside it, without an earlier spec of an unproven file.

    Raises:
        InputError, ArtifactError: as ``adopted``.
    """
    data = read_bytes(path, "model", limit=LARGEST)
    model = parse(data)
    require_opset(model)
    if any(entry.key == METADATA_KEY for entry in model.metadata_props):
        if read_spec(data).origin != UNPROVEN:
            raise InputError("lenetx wrote it, or has adopted it already: 'lenetx verify' proves it.")
        kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
    fill(model, path.parent, LARGEST - len(data))
    return model


def sealed(model: "ModelProto", spec: ModelSpec, origin: str, layout: str | None) -> bytes:
    """Return the file contents of a model with a spec, which gets the model's names and axes.

    Raises:
        InputError, ArtifactError: as ``adopted``.
    """
    import onnx

    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    without_descriptions(plain)
    require_classifier(plain)
    found = spec_for(plain, spec, layout)
    fit_axes(plain, found)
    for own, fitted in ((model.graph.input, plain.graph.input[0]), (model.graph.output, plain.graph.output[0])):
        value = next(each for each in own if each.name == fitted.name)
        if (axes_of_value(value) or [])[1:] != (axes_of_value(fitted) or [])[1:]:
            value.CopyFrom(fitted)
    found = dataclasses.replace(found, origin=origin, selftest=spec.selftest, content_sha256=_EMPTY)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, found.to_json()
    try:
        data = seal(model.SerializeToString(deterministic=True))
    except Exception:  # protobuf raises several classes
        raise InputError(
            f"With its weights it is larger than {size_in_words(LARGEST)}, the most of one file."
        ) from None
    with as_the_runtime():
        read_spec(data)
    return data


@contextmanager
def as_the_runtime() -> Iterator[None]:
    """Complete the errors of the runtime's checks, which are stricter than those of a proof."""
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(f"{error} lenetx_runtime rejects it; 'lenetx verify' may prove it.") from None


def open_adopted(
    path: Path, checkpoint: "Checkpoint", built: "nn.Module", *, device: str = "cpu", named: Path | None = None
) -> OpenedArtifact:
    """Open an adopted file with onnxruntime, and find the network's weights in it; the engine runs exactly its bytes.

    Args:
        path: the file.
        checkpoint: the weights that it should have.
        built: their module in eval mode, which is not changed.
        device: where it runs: ``cpu``, ``cuda`` or ``cuda:N``.
        named: the path to name in errors; by default ``path``.

    Raises:
        InputError: the file is missing, or it is not of the network's axes.
        ArtifactError: it is damaged or was changed.
        DeviceUnavailable, EngineMissing: the device or onnxruntime is not available.
    """
    data = read_bytes(path, "model", limit=LARGEST)
    with naming(named or path, "proven"):
        spec, model = read_spec(data), parse(data)
        if model.SerializeToString(deterministic=True) != data:
            raise ArtifactError("It was not written by lenetx: lenetx serialises the same model differently.")
        require_opset(model)
        fill(model, path.parent, 0)
        without_descriptions(model)
        require_classifier(model)
        if (found := spec_for(model, checkpoint.spec, spec.layout)).batch != spec.batch:
            raise ArtifactError(f"Its spec says that the batch is {spec.batch}, its graph that it is {found.batch}.")
        fit_axes(model, spec)
        sha256 = hashlib.sha256(data).hexdigest()
        artifact = Artifact("onnx", FLOAT32, path, sha256, len(data), spec, is_foreign=True)
        return opened(artifact, data, model, checkpoint, built, device)
