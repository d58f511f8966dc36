"""ONNX files as torch's two exporters write them, of one network with batch norms, and as hands and other tools do."""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import lenetx
from lenetx import Reference, Report, models
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec

ARCHITECTURE = "lenet5-bn"
Damage = Callable[[onnx.ModelProto], None]


def trained_norms(module: nn.Module) -> nn.Module:
    """Set the statistics and weights of batch norms as after training."""
    generator = torch.Generator().manual_seed(3)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)
            norm.weight.data.uniform_(0.5, 1.5, generator=generator)
            norm.bias.data.normal_(0, 0.3, generator=generator)
    return module.eval()


@pytest.fixture(scope="session")
def module() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return trained_norms(models.build(ARCHITECTURE, (1, 32, 32), 10))


@pytest.fixture(scope="session")
def reference(module: nn.Module) -> Reference:
    weights = module.state_dict()
    spec = ModelSpec(
        architecture=ARCHITECTURE,
        channels=1,
        height=32,
        width=32,
        padding=2,
        scale=1 / 255,
        mean=(0.1559,),
        std=(0.2976,),
        labels=tuple("0123456789"),
        weights_sha256=weights_sha256(weights),
        producer="lenetx test",
    )
    return Reference(Checkpoint(spec, weights, {}, {"data": None}, ()), None, "No images here.")


def export(module: nn.Module, path: Path, shape: tuple[int, ...] = (1, 32, 32), **options: object) -> onnx.ModelProto:
    """Write a module as a user of torch does, and return the model with its weights."""
    batch, fixed = 2, options.pop("fixed", False)
    sample = torch.zeros(1 if fixed else batch, *shape)
    if fixed:
        axes: dict[str, object] = {}
    elif options.get("dynamo"):
        axes = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    else:
        axes = {"dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (sample,), str(path), **axes, **options)
    return onnx.load(path)


@pytest.fixture(scope="session")
def plain(module: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """What the older exporter writes if nothing is folded: every weight is in it as it is."""
    path = tmp_path_factory.mktemp("plain") / "plain.onnx"
    return export(module, path, dynamo=False, do_constant_folding=False)


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    found = onnx.ModelProto()
    found.CopyFrom(model)
    return found


@pytest.fixture
def prove(reference: Reference, tmp_path: Path) -> Callable[[onnx.ModelProto], Report]:
    """The function that writes a model and proves it."""

    def run(model: onnx.ModelProto) -> Report:
        path = tmp_path / "theirs.onnx"
        path.write_bytes(model.SerializeToString())
        return lenetx.verify(path, against=reference)

    return run


def status(report: Report, name: str) -> str:
    return next(check.status for check in report.checks if check.name == name)


def detail(report: Report, name: str) -> str:
    return next(check.detail for check in report.checks if check.name == name)


def weight(model: onnx.ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(each for each in model.graph.initializer if each.name == name))


def set_weight(model: onnx.ModelProto, name: str, array: np.ndarray) -> None:
    tensor = next(each for each in model.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))


def node(model: onnx.ModelProto, operator: str, place: int = 0) -> onnx.NodeProto:
    return [each for each in model.graph.node if each.op_type == operator][place]


def constant(model: onnx.ModelProto, name: str, value: object, kind: type = np.float32) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, kind), name))
    return name


def behind_the_input(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Put nodes that make ``prepared`` of ``x`` before all others."""
    name = model.graph.input[0].name
    for each in model.graph.node:
        each.input[:] = ["prepared" if read == name else read for read in each.input]
    for place, each in enumerate(nodes):
        model.graph.node.insert(place, each)


def before_the_output(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Put nodes that make ``output`` of ``logits`` behind all others."""
    name = model.graph.output[0].name
    for each in model.graph.node:
        each.output[:] = ["logits" if given == name else given for given in each.output]
    for each in nodes:
        model.graph.node.append(each)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output", 1, ["batch", 10]))


def before_the_last(branch, *nodes):
    """Put nodes that make ``changed`` of ``{}`` before the last of a branch."""
    last = branch.node[-1]
    for each in nodes:
        each.input[:] = [name.format(last.input[0]) for name in each.input]
        branch.node.insert(len(branch.node) - 1, each)
    last.input[0] = "changed"


def negated(branch):
    before_the_last(branch, helper.make_node("Neg", ["{}"], ["changed"]))


def scaled(branch):
    """Scale by a little, with a tensor whose name the graph around has too."""
    branch.initializer.append(numpy_helper.from_array(np.float32(1.001), "first.weight"))
    before_the_last(branch, helper.make_node("Mul", ["{}", "first.weight"], ["changed"]))


def shifted(branch):
    half = helper.make_node("Constant", [], ["half"], value=numpy_helper.from_array(np.float32(0.5)))
    before_the_last(branch, half, helper.make_node("Add", ["{}", "half"], ["changed"]))
