"""Export to OpenVINO IR and open it: a stored zip of ``model.xml`` and ``model.bin`` for any program with OpenVINO.

lenetx writes the IR itself, layer by layer, so its bytes do not depend on the version of OpenVINO. The archive also
holds the ONNX graph without its numbers. Opening fills the numbers of ``model.bin`` into that graph, checks it as an
ONNX file, writes the IR again and rejects an archive that differs: OpenVINO only gets bytes that were written here.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.backend import batches
from lenetx_runtime.cpus import available_cpus
from lenetx_runtime.files import read_bytes
from lenetx_runtime.onnx_file import check_graph
from lenetx_runtime.spec import FLOAT16, FLOAT32

from ...data import archive
from ...graph import of_onnx
from ...report import Check
from .. import onnx as onnx_format
from ..artifact import Artifact, OpenedArtifact, Run
from ..onnx.evaluate import evaluate
from ..onnx.intermediates import affine_outputs
from ..onnx.parse import parse
from ..onnx.structure import constants, numbers, training_operators, weights
from ..onnx.structure import structure as onnx_structure
from ..rounded_network import RoundedNetwork
from ..spec_record import SPEC, equal_but_spec, spec_from, spec_record
from ..threaded import in_words
from .ir import ALIGNMENT, TYPES, Writer, is_weight
from .layers import intermediate_representation
from .session import OpenvinoBackend, import_engine, read_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

    from .. import Batch
    from ..network import Network

__all__ = ["OPTIONS", "PRECISIONS", "export", "open"]

OPTIONS: dict[str, Callable[[Any], None]] = {"precision": lambda _: None}
"""``precision``: one of ``PRECISIONS``."""
PRECISIONS = (FLOAT32, FLOAT16)
_XML, _BIN = "model.xml", "model.bin"
_GRAPH = "extra/graph.onnx"


def export(network: "Network", *, batch: "Batch" = "dynamic", precision: str = FLOAT32) -> bytes:
    """Return the archive.

    Args:
        network: the network to export.
        batch: ``"dynamic"`` or a fixed batch size.
        precision: of the stored weights: ``float32`` or ``float16``; arithmetic is float32 in both.

    Raises:
        EngineMissing: OpenVINO is not installed.
        InputError: the network cannot be exported to ONNX, or has an operator that lenetx does not write as IR, or a
            weight is beyond the range of float16.
    """
    import onnx

    import_engine()  # it alone can prove the file
    spec = network.spec
    if precision == FLOAT16:
        network = RoundedNetwork(network)
        spec = dataclasses.replace(spec, precision=precision, selftest=network.selftest())
    model = onnx.load_from_string(onnx_format.export(network, batch=batch))
    del model.metadata_props[:]
    records, _ = _written(model, precision)
    return archive.pack({**records, **spec_record(spec, batch)})


def open(path: Path, *, device: str = "cpu") -> OpenedArtifact:  # noqa: A001  # the verb of every format
    """Open the file with OpenVINO, and read its graph and weights with onnx.

    Raises:
        ArtifactError: the file is damaged or not made by lenetx.
        DeviceUnavailable, EngineMissing: the device or OpenVINO is not available.
    """
    data = read_bytes(path, "model")
    records = archive.unpack(data)
    spec = spec_from(records)
    model = _read(records, spec)
    written, writer = _written_as(model, records, spec.precision)
    backend = OpenvinoBackend.of(written[_XML], written[_BIN], spec, device)
    return OpenedArtifact(
        artifact=Artifact("openvino", spec.precision, path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=backend,
        structure=(*onnx_structure(model, spec), _as_read(written, writer)),
        weights=weights(model),
        numbers=numbers(model),
        constants=constants(model),
        runs=tuple(
            Run(in_words(threads), partial(OpenvinoBackend.of, written[_XML], written[_BIN], spec, device, threads))
            for threads in sorted({1, available_cpus()})
        ),
        layers=partial(_layers_of, written, affine_outputs(model), spec),
        training=lambda: training_operators(model),
        expression=lambda names: of_onnx(model, names),
        matches_new_export=lambda network: _matches_new_export(
            records, export(network, batch=spec.batch, precision=spec.precision)
        ),
        evaluate=lambda inputs: evaluate(model, spec, inputs),
    )


def _written(model: "ModelProto", precision: str) -> tuple[dict[str, bytes], Writer]:
    """Return the records of a model, and the layers of its IR."""
    from onnx import ModelProto

    writer = intermediate_representation(model, halves=precision == FLOAT16)
    xml, numbers = writer.written()
    bare = ModelProto()
    bare.CopyFrom(model)
    for tensor in bare.graph.initializer:
        tensor.ClearField("raw_data")
    return {_XML: xml, _BIN: numbers, _GRAPH: bare.SerializeToString(deterministic=True)}, writer


def _read(records: dict[str, bytes], spec: ModelSpec) -> "ModelProto":
    """Return the ONNX model of an archive, with its numbers.

    Raises:
        ArtifactError: a record is missing, or the graph or the precision is none that lenetx writes.
    """
    import onnx

    if spec.precision not in PRECISIONS:
        raise ArtifactError(f"Its spec says {spec.precision}; openvino files are {' or '.join(PRECISIONS)}.")

    try:
        model = onnx.load_from_string(records[_GRAPH])
        place = 0
        for tensor in model.graph.initializer:
            if min(tensor.dims, default=1) < 0:  # it would move back, and copy the same numbers again
                raise ValueError("an axis has a negative size")
            place += -place % ALIGNMENT
            is_half = spec.precision == FLOAT16 and is_weight(tensor)
            size = (2 if is_half else TYPES[tensor.data_type][2]) * math.prod(tensor.dims)
            numbers = records[_BIN][place : place + size]
            tensor.raw_data = _widened(numbers) if is_half else numbers
            place += size
        contents = model.SerializeToString(deterministic=True)
    except Exception:  # protobuf raises several classes
        raise ArtifactError("It was not written by lenetx: it lacks a readable graph.") from None
    check_graph(contents, spec)
    return parse(contents)


def _widened(numbers: bytes) -> bytes:
    import numpy as np

    return np.frombuffer(numbers, "<f2").astype("<f4").tobytes()


def _written_as(model: "ModelProto", records: dict[str, bytes], precision: str) -> tuple[dict[str, bytes], Writer]:
    """Return the records that lenetx writes for a model.

    Raises:
        ArtifactError: they are not those of the archive.
    """
    try:
        written, writer = _written(model, precision)
    except (InputError, KeyError, ValueError, TypeError, IndexError, ArithmeticError, AssertionError) as error:
        reason = f" {error}" if isinstance(error, InputError) else ""
        raise ArtifactError(f"Its graph is none that lenetx writes.{reason}") from None
    found = {name: contents for name, contents in records.items() if name != SPEC}
    wrong = sorted(name for name in written.keys() | found.keys() if written.get(name) != found.get(name))
    if wrong:
        raise ArtifactError(f"It holds what lenetx never writes for its graph: {wrong[0]}.")
    return written, writer


def _as_read(written: dict[str, bytes], writer: Writer) -> Check:
    """Check that OpenVINO reads each layer and the numbers of each constant as they were written."""
    operators = read_model(written[_XML], written[_BIN]).get_ops()
    layers = [_as_written(each) for each in operators]
    numbers = {each.get_friendly_name(): each for each in operators if each.get_type_name() == "Constant"}
    subject = f"{len(operators)} layers as OpenVINO {import_engine().__version__.partition('-')[0]} reads them"
    problem = None
    if sorted(layers) != sorted(writer.layers):
        problem = "They are not the layers that were written."
    elif wrong := [name for name, held in writer.constants.items() if numbers[name].data.tobytes() != held]:
        problem = f"It reads other numbers in {wrong[0]}."
    return Check.verdict(
        "engine's form", subject, problem, "The same types, names and connections, and constants bit for bit."
    )


def _as_written(operator: Any) -> tuple[str, str, list[str]]:
    """Return what ``Writer.layers`` has of a layer that OpenVINO has read."""
    kind = operator.get_type_name()
    read = [value.get_node().get_friendly_name() for value in operator.input_values()]
    return _TYPE_NAMES.get(kind, kind), operator.get_friendly_name(), read


_TYPE_NAMES = {"Constant": "Const", "Relu": "ReLU", "PRelu": "PReLU", "Softmax": "SoftMax"}
"""OpenVINO's own names of layer types that IR spells differently."""


def _layers_of(
    written: dict[str, bytes], outputs: "dict[str, list[str]]", spec: ModelSpec, inputs: "NDArray[np.float32]"
) -> "tuple[dict[str, list[NDArray[np.float32]]], NDArray[np.float32]]":
    """Run a model with more outputs; return each affine layer's outputs, by weight name, and the logits."""
    import numpy as np

    model = read_model(written[_XML], written[_BIN])
    names = [*dict.fromkeys(name for some in outputs.values() for name in some if name != spec.output_name)]
    model.add_outputs(names)
    backend = OpenvinoBackend(model)
    parts = [[each[:count] for each in backend.outputs(part)] for part, count in batches(inputs, spec)]
    whole = [np.concatenate(each) for each in zip(*parts, strict=True)]
    values = dict(zip([spec.output_name, *names], whole, strict=True))
    return {weight: [values[name] for name in some] for weight, some in outputs.items()}, values[spec.output_name]


def _matches_new_export(records: dict[str, bytes], exported: bytes) -> bool:
    """Return whether the records equal those of a new export, apart from the spec."""
    return equal_but_spec(records, archive.unpack(exported))
