"""The ``.pt2`` archive as other programs see it: loadable by torch alone, with its spec inside."""

import io
import json
import logging
import pickletools
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from lenetx import formats, load_weights
from lenetx.data import load
from lenetx.errors import ArtifactError, CheckpointError, DeviceUnavailable
from lenetx.publishing.inspection import inspect
from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import normalise

pytestmark = pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning")

FORMAT, MODEL = "pt2", "models/model.json"
SAMPLE = "data/sample_inputs/model.pt"


@pytest.fixture(scope="module")
def path(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("pt2") / "any name.pt2"
    path.write_bytes(exported("pt2"))
    return path


@pytest.mark.parametrize(
    "name", ["lenet5", *(pytest.param(f"lenet5-{x}", marks=pytest.mark.slow) for x in ("3x3", "1998"))]
)
def test_plain_torch_loads_it_and_gives_eager_answers(exported, checkpoints, tmp_path, name):
    checkpoint = checkpoints[name]
    path = tmp_path / "any name.pt2"
    path.write_bytes(exported("pt2", name))
    module = torch.export.load(path).module()
    inputs = torch.from_numpy(normalise(load("digits").test.framed(checkpoint.spec).images, checkpoint.spec))
    with torch.inference_mode():
        eager = checkpoint.module()(inputs)
        assert torch.equal(module(inputs), eager)
        for rows in (1, 2, 7):
            assert torch.allclose(module(inputs[:rows]), eager[:rows], atol=1e-4)


def test_the_spec_is_an_extra_file_that_plain_torch_reads(path, checkpoint):
    extra = {"lenetx.json": ""}
    torch.export.load(path, extra_files=extra)
    assert ModelSpec.from_json(extra["lenetx.json"]) == checkpoint.spec


@pytest.mark.slow
def test_it_can_be_trained_on_compiled_and_lowered(path, checkpoint):
    """What torch's own tools ask of a program: parameters, an example of its input, and sizes that it knows."""
    program = torch.export.load(path)
    assert program.state_dict.keys() == checkpoint.state_dict.keys()
    assert all(each.requires_grad for each in program.parameters())
    (example,), words = program.example_inputs
    assert (example.shape, example.dtype, words) == ((2, *checkpoint.spec.input_shape), torch.float32, {})
    lowered = program.run_decompositions()
    assert torch.allclose(lowered.module()(example), checkpoint.module()(example), atol=1e-5)


def test_nothing_of_the_machine_is_in_it(records):
    assert not [name for name in records if "serialization_id" in name]
    model = json.loads(records[MODEL])
    assert all(node["metadata"] == {} for node in model["graph_module"]["graph"]["nodes"])
    assert model["torch_version"] == torch.__version__.partition("+")[0]
    assert (model["guards_code"], model["range_constraints"]) == ([], {"s0": {"min_val": 0, "max_val": None}})


def test_its_one_pickle_is_an_example_that_holds_zeros(records):
    with zipfile.ZipFile(io.BytesIO(records[SAMPLE])) as sample:
        names = {name.split("/", 1)[1] for name in sample.namelist()}
        assert names == {"data.pkl", "data/0", "byteorder", "version"}
        assert set(sample.read("archive/data/0")) == {0}
        opcodes = pickletools.genops(sample.read("archive/data.pkl"))
    found = {argument for opcode, argument, _ in opcodes if opcode.name == "GLOBAL"}
    assert found == {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict"}


def test_every_weight_has_its_name_in_the_checkpoint(path, checkpoint):
    weights = formats.open_artifact(path).weights
    assert weights.keys() == checkpoint.state_dict.keys()
    for name, array in weights.items():
        assert np.array_equal(array.view(np.uint32), checkpoint.state_dict[name].numpy().view(np.uint32))


@pytest.mark.slow
def test_its_weights_are_read_like_those_of_any_file(path, checkpoint):
    found = load_weights(path)
    assert all(torch.equal(found.state_dict[name], tensor) for name, tensor in checkpoint.state_dict.items())


@pytest.mark.slow
def test_a_fixed_batch_is_held_to(exported, checkpoint, tmp_path):
    path = tmp_path / "fixed.pt2"
    path.write_bytes(exported("pt2", batch=3))
    opened = formats.open_artifact(path)
    assert opened.artifact.spec.batch == 3
    assert opened.backend.run(np.zeros((3, *checkpoint.spec.input_shape), np.float32)).shape == (3, 10)
    with pytest.raises(ArtifactError, match=r"torch cannot run the model on .*size\(\)\[0\] == 3"):
        opened.backend.run(np.zeros((2, *checkpoint.spec.input_shape), np.float32))
    with pytest.raises(AssertionError, match=r"image.size\(\)\[0\] == 3"):
        torch.export.load(path).module()(torch.zeros(2, *checkpoint.spec.input_shape))


def test_another_programs_file_is_told_the_road(checkpoint, tmp_path):
    import lenetx

    path = tmp_path / "theirs.pt2"
    torch.export.save(torch.export.export(checkpoint.module(), (torch.zeros(2, *checkpoint.spec.input_shape),)), path)
    assert not formats.is_artifact(path)
    with pytest.raises(ArtifactError, match=r"theirs\.pt2' cannot be used\. Another program exported it: save the st"):
        formats.open_artifact(path)
    for function in (lenetx.classifier, inspect, lenetx.load_weights):
        with pytest.raises(
            CheckpointError, match=r"program of torch\.export: save the state_dict of what torch\.export"
        ):
            function(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"extra/lenetx.json": b"no JSON"},
        {"extra/lenetx.json": b"\xff\xfe"},
        {MODEL: b"no JSON"},
        {MODEL: b"7"},
        {MODEL: b"{}"},
        {MODEL: b"[" * 100_000},
        {SAMPLE: b""},
        {"archive_format": b"pt3"},
        {"archive_version": b"1"},
        {"byteorder": b"big"},
        {".data/version": b"7\n"},
        {"data/weights/weight_0": b""},
        {"data/weights/weight_4": bytes(8)},
        {"data/weights/weight_99": bytes(8)},
        {"data/weights/model.pt": bytes(8)},
        {"data/weights/model_weights_config.json": b"{}"},
        {"data/constants/model_constants_config.json": b"{}"},
        {"data/constants/custom_obj_0": bytes(8)},
        {"data/aotinductor/model/a.so": bytes(8)},
        {"models/other.json": b"{}"},
        {"extra/notes.txt": b"trained on a Tuesday"},
    ],
    ids=range(21),
)
def test_forged_records_are_refused(records, opened, changed):
    with pytest.raises(ArtifactError) as caught:
        opened(records | changed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "record", [SAMPLE, "data/weights/model.pt", "data/constants/custom_obj_0", "data/weights/weight_0"]
)
def test_no_pickle_in_it_is_ever_run(records, opened, planted, saved, tmp_path, record):
    marker = tmp_path / "marker"
    with pytest.raises(ArtifactError):
        opened(records | {record: saved(planted(marker))})
    assert not marker.exists()


def test_a_file_of_a_later_format_says_which_torch_wrote_it(records, opened):
    model = json.loads(records[MODEL])
    model["schema_version"]["major"] += 1
    model["torch_version"] = "9.0.0"
    with pytest.raises(ArtifactError, match=r"torch 9\.0\.0 wrote it, and torch .* cannot read that"):
        opened(records | {MODEL: json.dumps(model, separators=(",", ":")).encode()})


@pytest.mark.slow
def test_another_release_may_lay_out_values_otherwise(records, opened):
    model = json.loads(records[MODEL])
    model["torch_version"] = "2.12.1"
    meta = model["graph_module"]["graph"]["tensor_values"]["relu"]
    meta["strides"] = meta["strides"][::-1]
    assert opened(records | {MODEL: json.dumps(model, separators=(",", ":")).encode()}).weights
    meta["sizes"] = meta["sizes"][::-1]
    with pytest.raises(ArtifactError, match="torch reads it differently"):
        opened(records | {MODEL: json.dumps(model, separators=(",", ":")).encode()})


@pytest.mark.slow
def test_threads_that_open_files_leave_the_hosts_warnings_and_logs_alone(path, checkpoint):
    inputs = np.zeros((2, *checkpoint.spec.input_shape), np.float32)
    before = list(warnings.filters), logging.root.manager.disable
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: formats.open_artifact(path).backend.run(inputs), range(12)))
    assert all(np.array_equal(each, results[0]) for each in results)
    assert (list(warnings.filters), logging.root.manager.disable) == before


def test_cuda_is_used_or_refused(path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceUnavailable, match="cuda:1 was requested"):
        formats.open_artifact(path, device="cuda:1")
