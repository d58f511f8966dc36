"""For every check of what a file says and holds, a fault that it alone finds, planted in a real file."""

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lenetx
from lenetx import Reference, Report
from lenetx.bounds.selftest import with_self_test
from lenetx.formats.artifact import OpenedArtifact, Run
from lenetx.formats.onnx.intermediates import layers_of
from lenetx.graph import Unknown
from lenetx.proof import embedded_spec, prove
from lenetx.publishing.manifest import MANIFEST, merged
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import ModelSpec
from lenetx_runtime.onnx_file import read_spec
from lenetx_runtime.ort import OrtBackend

from .conftest import check_of, failed, make_checkpoint, only, resealed, respell

Judge = Callable[..., Report]


@pytest.fixture(scope="session")
def unseen(checkpoint: Checkpoint) -> Reference:
    """A reference without real images."""
    return Reference(checkpoint, None, "There are none.")


@pytest.fixture
def file(opened: Callable[[bytes, str], OpenedArtifact], onnx_bytes: bytes) -> OpenedArtifact:
    """The honest file, reopened."""
    return opened(onnx_bytes, "lenet5.onnx")


def test_another_file_than_was_published(
    judge: Judge, onnx_bytes: bytes, checkpoint: Checkpoint, few: Reference, tmp_path: Path
) -> None:
    published = merged(tmp_path, [judge(onnx_bytes, "lenet5.onnx")], checkpoint.spec.weights_sha256)
    (tmp_path / MANIFEST).write_bytes(published)
    assert lenetx.verify(tmp_path / "lenet5.onnx", against=few).passed

    entries = json.loads(published)
    entries["artifacts"]["lenet5.onnx"]["sha256"] = "0" * 64
    (tmp_path / MANIFEST).write_text(json.dumps(entries))
    report = lenetx.verify(tmp_path / "lenet5.onnx", against=few)
    assert "The file is not the one that was published" in only(report, "manifest").detail


def test_invalid_file_that_runs(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.ClearField("name")

    assert "name" in only(judge_damaged(damage), "file").detail


def test_later_version_of_the_format_than_it_needs(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.ir_version += 1

    assert "that of opset 18 is 8" in only(judge_damaged(damage), "versions").detail


def test_batch_axis_without_its_name(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "N"

    assert "['N', 1, 32, 32]" in only(judge_damaged(damage), "axes").detail


@pytest.mark.parametrize("place", ["/home/ann/train.py", r"C:\Users\ann\train.py", "site-packages"])
def test_local_path(judge_damaged: Judge, place: str) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.node[3].doc_string = f'File "{place}", line 8, in forward'

    assert place.split("ann")[0] in only(judge_damaged(damage), "local paths").detail


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: dataclasses.replace(spec, labels=(*spec.labels[1:], spec.labels[0])),
        lambda spec: dataclasses.replace(spec, labels=(*spec.labels[:8], "9", "8")),
        lambda spec: dataclasses.replace(spec, architecture="lenet5-1998"),
        lambda spec: dataclasses.replace(spec, framing="stretch", polarity="as_is"),
        lambda spec: dataclasses.replace(spec, weights_sha256="0" * 63 + "1"),
    ],
    ids=["labels that moved on", "swapped labels", "architecture", "framing", "weights_sha256"],
)
def test_other_spec(judge_damaged: Judge, unseen: Reference, change: Callable) -> None:
    """Where no real image is seen nothing else tells a wrong label from a right one."""
    assert "It is not the checkpoint's" in only(judge_damaged(respell(change), against=unseen), "spec").detail


def test_swapped_labels_are_seen_on_real_images(judge_damaged: Judge) -> None:
    report = judge_damaged(respell(lambda spec: dataclasses.replace(spec, labels=spec.labels[::-1])))
    assert failed(report)[:2] == ["spec", "labels"]


@pytest.mark.parametrize("change", [{"mean": (0.5,)}, {"std": (0.5,)}, {"scale": 1.0}], ids=str)
def test_other_preprocessing_in_the_spec(judge_damaged: Judge, change: dict[str, object]) -> None:
    report = judge_damaged(respell(lambda spec: dataclasses.replace(spec, **change)))
    assert failed(report)[:2] == ["spec", "preprocessing"]
    assert "numbers differ from those in training" in check_of(report, "preprocessing").detail


def test_runtime_that_prepares_one_level_otherwise(
    file: OpenedArtifact, few: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one unit in the last place, and only grey level 128."""
    normalise = embedded_spec.normalise

    def other(frames: np.ndarray, spec: ModelSpec) -> np.ndarray:
        inputs = normalise(frames, spec)
        grey = normalise(np.full_like(frames[:1], 128), spec).max()
        return np.where(inputs == grey, np.nextafter(grey, np.float32(9)), inputs)

    monkeypatch.setattr(embedded_spec, "normalise", other)
    assert "differ from those in training" in only(prove(file, few), "preprocessing").detail


@pytest.mark.parametrize("part", ["logits", "limits"])
def test_self_test_of_other_answers(file: OpenedArtifact, few: Reference, part: str) -> None:
    """A device without torch would believe it."""
    spec = with_self_test(few.checkpoint, few.frames).spec
    assert prove(with_spec(file, spec), few).passed
    assert spec.selftest is not None
    rows = [list(row) for row in getattr(spec.selftest, part)]
    rows[3][4] *= 1.1
    changed = dataclasses.replace(spec.selftest, **{part: tuple(map(tuple, rows))})
    report = prove(with_spec(file, dataclasses.replace(spec, selftest=changed)), few)
    wrong = "1 of its logits and 0 of" if part == "logits" else "0 of its logits and 1 of"
    assert wrong in only(report, "self-test").detail


def with_spec(file: OpenedArtifact, spec: ModelSpec) -> OpenedArtifact:
    return dataclasses.replace(file, artifact=dataclasses.replace(file.artifact, spec=spec))


@pytest.mark.parametrize("tensor", sorted(make_checkpoint().state_dict))
def test_lowest_bit_of_one_weight(judge_damaged: Judge, tensor: str) -> None:
    detail = only(judge_damaged(flip(tensor, 0)), "weights").detail
    assert f"1 of {make_checkpoint().state_dict[tensor].numel()} numbers in {tensor} differ" in detail


def test_number_that_the_network_has_not(file: OpenedArtifact, few: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a factor it would change every logit by less than rounding may; here the graph cannot be followed."""
    assert file.numbers is not None
    monkeypatch.setitem(vars(few.view()), "expression", (Unknown("it is strange"), {}))
    report = prove(dataclasses.replace(file, numbers=file.numbers | {1.000001}, matches_new_export=None), few)
    assert "The network's code holds no 1.000001" in only(report, "numbers").detail


def test_operators_that_change_nothing(judge_damaged: Judge) -> None:
    """z + (z − z): no number differs, and no weight."""

    def damage(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node("Sub", ["clean", "clean"], ["nothing"]))
        model.graph.node.append(helper.make_node("Add", ["clean", "nothing"], ["logits"]))

    assert only(judge_damaged(damage), "graph").group == "weights"


def test_operator_in_training_mode(file: OpenedArtifact, few: Reference) -> None:
    report = prove(dataclasses.replace(file, training=lambda: ["Dropout fc2"]), few)
    assert only(report, "training operators").detail == "They run as in training: Dropout fc2."


def test_layers_of_another_size_whose_factors_cancel(judge: Judge, opened: Callable, onnx_bytes: bytes, few) -> None:
    """conv1 gives twice as much and conv2 takes it back: the same logits to the bit, by powers of two."""

    def damage(model: onnx.ModelProto) -> None:
        for name, factor in (("conv1.weight", 2), ("conv1.bias", 2), ("conv2.weight", 0.5)):
            tensor = next(each for each in model.graph.initializer if each.name == name)
            scaled = numpy_helper.to_array(tensor) * np.float32(factor)
            tensor.CopyFrom(numpy_helper.from_array(scaled, name))

    changed = resealed(onnx_bytes, damage)
    assert failed(judge(changed, "lenet5.onnx")) == ["weights", "layers"]
    hidden = dataclasses.replace(opened(changed, "lenet5.onnx"), weights=None, numbers=None)
    detail = only(prove(hidden, few), "layers").detail
    assert detail.startswith("The first that is wrong is conv1, or what leads to it, in")
    assert detail.endswith("Wrong by themselves are also conv2.")


def engine_names() -> list[str]:
    return [f"optimisation {level}, {threads}" for level in ("off", "all") for threads in ("1 thread", "2 threads")]


class OffByALittle:
    """What an engine gives, and a thousandth more."""

    def __init__(self, run: Run) -> None:
        self._backend = run.open()
        self.device = self._backend.device

    def run(self, batch: np.ndarray) -> np.ndarray:
        return self._backend.run(batch) + np.float32(1e-3)


@pytest.mark.parametrize("name", ["lenet5.onnx", "lenet5.torchscript"])
def test_one_way_to_run_it_is_off(opened: Callable, onnx_bytes, torchscript_bytes, few, name: str) -> None:
    file = opened(onnx_bytes if name.endswith("onnx") else torchscript_bytes, name)
    ways = [run for run in file.runs if not run.missing]
    assert len(ways) >= 2
    for way in ways if name == "lenet5.onnx" else ways[::3]:
        off = dataclasses.replace(way, open=partial(OffByALittle, way))
        runs = tuple(off if run is way else run for run in file.runs)
        report = prove(dataclasses.replace(file, runs=runs), few)
        assert only(report, way.name).group == "engines"


def test_provider_that_is_not_there(file: OpenedArtifact, onnx_bytes: bytes, few: Reference) -> None:
    """onnxruntime by itself would take the CPU with no more than a warning."""
    name = "MIGraphXExecutionProvider"
    run = Run(name, partial(OrtBackend, onnx_bytes, file.artifact.spec, providers=[name]))
    report = prove(dataclasses.replace(file, runs=(*file.runs, run)), few)
    assert only(report, name).detail.startswith(f"It was requested and did not run: {name} was requested")


def test_provider_that_has_no_sense_here_is_no_failure(file: OpenedArtifact, few: Reference) -> None:
    run = Run("Elsewhere", lambda: 1 / 0, missing="It runs models on remote servers only.")
    report = prove(dataclasses.replace(file, runs=(run,)), few)
    assert report.passed
    assert check_of(report, "Elsewhere").status == "not_applicable"


def flip(tensor: str, bit: int) -> Callable[[onnx.ModelProto], None]:
    """Turn over one bit of the number in the middle of a weight."""

    def damage(model: onnx.ModelProto) -> None:
        weight = next(each for each in model.graph.initializer if each.name == tensor)
        bits = numpy_helper.to_array(weight).copy().view(np.uint32)
        bits.reshape(-1)[bits.size // 2] ^= 1 << bit
        weight.CopyFrom(numpy_helper.from_array(bits.view(np.float32), tensor))

    return damage


def test_the_environment_does_not_replace_the_settings_of_the_session_that_gives_layers(
    onnx_bytes: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model may carry settings; by this variable they would count, and this one would write a file."""
    model = onnx.load_from_string(onnx_bytes)
    entry = model.metadata_props.add()
    entry.key, entry.value = "ort_config", '{"session_options": {"enable_profiling": 1}}'
    spec = read_spec(onnx_bytes)
    monkeypatch.setenv("ORT_LOAD_CONFIG_FROM_MODEL", "1")
    monkeypatch.chdir(tmp_path)
    layers_of(model.SerializeToString(), spec, np.zeros((1, *spec.input_shape), np.float32))
    assert [*tmp_path.iterdir()] == []
