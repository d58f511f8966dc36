"""ONNX: one sealed file for ``lenetx_runtime``, and for any other engine that reads ONNX."""

import dataclasses
import hashlib
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError
from lenetx_runtime.backend import batches
from lenetx_runtime.files import read_bytes
from lenetx_runtime.onnx_file import read_spec, seal
from lenetx_runtime.ort import OrtBackend
from lenetx_runtime.spec import METADATA_KEY, ModelSpec

from ..artifact import Artifact, OpenedArtifact
from ..expressions import of_onnx
from ..usage import exported_network, usage_of
from .onnx_engines import engines_of
from .onnx_layers import layers_of
from .onnx_names import CONSTANT
from .onnx_structure import OPSETS, numbers, structure, training_operators

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray
    from torch import nn

    from ..checkpoint import Checkpoint
    from . import Batch

__all__ = ["DEFAULT_OPSET", "OPSETS", "export", "open"]

DEFAULT_OPSET = 18
"""The oldest that torch's exporter writes by itself, so the one that most readers know."""
_TORCH_OPSETS = range(18, 24)
_TRACE_BATCH = 2
"""A sample of batch 1 can freeze the batch axis (pytorch#151582)."""


def export(checkpoint: "Checkpoint", *, batch: "Batch" = "dynamic", opset: int | None = None) -> bytes:
    """Give a sealed ONNX file: default-domain operators, float32, one symbolic or fixed batch axis.

    Raises:
        InputError: an opset that cannot be written.
    """
    opset = DEFAULT_OPSET if opset is None else opset
    if opset not in OPSETS:
        raise InputError(f"The opset is {opset}; lenetx writes {OPSETS[0]} to {OPSETS[-1]}.")
    from .onnx_canonical import canonical

    network = exported_network(checkpoint)
    used = usage_of(network, checkpoint.spec.input_shape)
    weights = {name: tensor.numpy() for name, tensor in used.tensors.items()}
    model = canonical(_translate(network, checkpoint.spec, batch, max(opset, _TORCH_OPSETS[0])), weights, opset)
    spec = dataclasses.replace(checkpoint.spec, batch=batch, content_sha256="0" * 64)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, spec.to_json()
    return seal(model.SerializeToString(deterministic=True))


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the file with onnxruntime and read its weights with onnx."""
    import onnx

    data = read_bytes(path, "model")
    spec = read_spec(data)
    parse = partial(onnx.load_from_string, data)  # again where it is needed: what is kept of large ones adds up
    model = parse()
    return OpenedArtifact(
        artifact=Artifact("onnx", "float32", path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=OrtBackend(data, spec, device=device),
        structure=structure(model, spec),
        weights=_weights(model),
        numbers=numbers(model),
        engines=engines_of(data, spec, device),
        layers=partial(layers_of, data, spec),
        training=lambda: training_operators(parse()),
        expression=lambda names: of_onnx(parse(), names),
        evaluate=lambda inputs: _evaluate(parse(), spec, inputs),
    )


def _evaluate(model: "onnx.ModelProto", spec: ModelSpec, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Compute the logits as onnx defines them."""
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    found = []
    for part, count in batches(inputs, spec):
        values: Any = evaluator.run([spec.output_name], {spec.input_name: part})
        found.append(values[0][:count])
    logits: NDArray[np.float32] = np.concatenate(found)
    return logits


def _weights(model: "onnx.ModelProto") -> "dict[str, NDArray[np.float32]]":
    """Give the initializers by name, in the order in which the graph reads them."""
    import onnx.numpy_helper

    read = {name: place for place, name in enumerate(name for node in model.graph.node for name in node.input)}
    named = [tensor for tensor in model.graph.initializer if not tensor.name.startswith(CONSTANT)]
    tensors = sorted(named, key=lambda tensor: read.get(tensor.name, len(read)))
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}


def _translate(network: "nn.Module", spec: ModelSpec, batch: "Batch", opset: int) -> "onnx.ModelProto":
    import torch

    sample = torch.zeros(_TRACE_BATCH if batch == "dynamic" else batch, *spec.input_shape)
    shapes = ({0: torch.export.Dim("batch")},) if batch == "dynamic" else None
    with warnings.catch_warnings():
        # torch 2.13 warns of its own use of its own LeafSpec.
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        program = torch.onnx.export(
            network,
            (sample,),
            dynamo=True,
            input_names=[spec.input_name],
            output_names=[spec.output_name],
            dynamic_shapes=shapes,
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    assert program is not None, "torch.onnx.export gives a program when dynamo is on"
    return program.model_proto
