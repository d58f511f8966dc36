"""timm's classifiers by name, with the preprocessing that timm states."""

import importlib.util
import sys

import numpy as np
import PIL.Image
import pytest
import torch

import lenetx
from lenetx import Statement, WeightsOptions, models
from lenetx.errors import InputError, Unavailable, UnknownName
from lenetx.torchvision_loader import mend_imports
from lenetx_runtime.preprocess import decode, frame, normalise

installed = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    mend_imports()
    import timm

    path = tmp_path_factory.mktemp("timm") / "weights.pth"
    torch.save(timm.create_model("test_resnet", num_classes=7).state_dict(), path)
    return path


def test_without_timm_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(Unavailable, match=r"need the package timm, .*'pip install lenetx\[timm\]'") as caught:
        models.resolve("timm:resnet18")
    assert caught.value.exit_code == 3


@installed
def test_a_classifier_has_random_weights_and_as_many_classes_as_are_asked_for():
    found = models.resolve("timm:test_resnet")
    assert (found.name, found.input_shape) == ("timm:test_resnet", (3, 160, 160))
    assert found.build((1, 64, 64), 7).num_classes == 7
    assert models.is_safe(found.name)
    assert models.file_stem("timm:resnet18.a1_in1k") == "resnet18"


@installed
def test_a_fixed_size_is_chosen_by_its_argument():
    found = models.resolve("timm:test_vit", {"img_size": 96})
    assert found.input_shape == (3, 96, 96)
    found.build(found.input_shape, 10)


@installed
@pytest.mark.parametrize("name", ["pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path"])
def test_pretrained_weights_and_files_are_refused(name):
    with pytest.raises(InputError, match=f"'{name}' is no --arch-arg of timm:test_resnet: its weights are random"):
        models.resolve("timm:test_resnet", {name: "x"})


@installed
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet10", "There is no network of timm 'resnet10'. Did you mean .* others"),
        ("hf-hub:timm/resnet18.a1_in1k", "There is no network of timm"),
        ("local-dir:/tmp/net", "There is no network of timm"),
        ("resnet18.a9_in1k", "There is no tag of the network resnet18 of timm 'a9_in1k'"),
    ],
)
def test_only_registered_names_are_known(name, words):
    with pytest.raises(UnknownName, match=words):
        models.resolve(f"timm:{name}")


@installed
def test_nothing_is_downloaded(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert models.build("timm:resnet18.a1_in1k", (3, 32, 32), 10).num_classes == 10


@installed
@pytest.mark.parametrize(
    "name", ["test_resnet", "mobilenetv3_small_050", "resnet18.a1_in1k", "dm_nfnet_f0", "test_vit"]
)
def test_inputs_are_those_of_timms_own_transform(name, spec_of_statement):
    import timm
    from timm.data import create_transform, resolve_data_config

    network = models.resolve(f"timm:{name}")
    config = resolve_data_config({}, pretrained_cfg=timm.models.get_pretrained_cfg(name).to_dict())
    spec = spec_of_statement(network.input_shape, Statement(**network.preprocessing(network.input_shape)))
    whole = create_transform(**config)
    random = np.random.default_rng(0)
    for size in ((333, 500), (500, 333), (160, 160), (7, 5)):
        image = PIL.Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8))
        levels = frame(decode(image, 3), spec)
        cut = image
        for step in whole.transforms[:2]:
            cut = step(cut)
        assert np.array_equal(levels, np.asarray(cut)), size
        assert np.allclose(normalise(levels[None], spec)[0], whole(image).numpy(), rtol=0, atol=1e-6)


@pytest.fixture
def spec_of_statement():
    from lenetx.weights.load import stated_spec, unknown_spec

    def make(shape, stated):
        return stated_spec("net", unknown_spec("net", shape, 2, "ab" * 32), stated, lambda _: None)

    return make


@installed
@pytest.mark.parametrize(
    ("name", "shape"), [("test_resnet", (1, 160, 160)), ("test_resnet", (3, 160, 128)), ("deepseek_vit_412m", None)]
)
def test_what_no_framing_gives_bit_by_bit_is_not_assumed(name, shape):
    network = models.resolve(f"timm:{name}")
    assert network.preprocessing(shape or network.input_shape) is None


@installed
def test_weights_have_timms_preprocessing_unless_another_is_stated(weights):
    notices = []
    spec = lenetx.load_weights(weights, architecture="timm:test_resnet", on_notice=notices.append).spec
    assert (spec.framing, spec.interpolation, spec.resize, spec.mean) == ("crop", "bilinear", 168, (0.5,) * 3)
    assert any("framing crop, interpolation bilinear, resize 168, mean 0.5,0.5,0.5" in each for each in notices)
    for stated, wanted in (
        (Statement(input_size=(64, 64), channels=3), ("crop", "bilinear", 67, (0.5,) * 3)),
        (Statement("crop", resize=200, mean=(0.4,)), ("crop", "bilinear", 200, (0.4,) * 3)),
        (Statement("stretch"), ("stretch", "lanczos", None, (0.5,) * 3)),
    ):
        spec = lenetx.load_weights(weights, architecture="timm:test_resnet", stated=stated).spec
        assert (spec.framing, spec.interpolation, spec.resize, spec.mean) == wanted


@installed
def test_a_module_in_memory_carries_its_input_and_its_preprocessing():
    mend_imports()
    import timm

    module = timm.create_model("test_resnet", num_classes=7).eval()
    of_name = models.resolve("timm:test_resnet")
    notices = []
    spec = lenetx.Checkpoint.of(module, on_notice=notices.append).spec
    assert spec.input_shape == of_name.input_shape
    assert {name: getattr(spec, name) for name in of_name.preprocessing(spec.input_shape)} == of_name.preprocessing(
        spec.input_shape
    )
    assert [each for each in notices if "framing crop, interpolation bilinear, resize 168" in each]
    stated = lenetx.Checkpoint.of(module, input_shape=(3, 64, 64), framing="stretch", on_notice=notices.append).spec
    assert (stated.input_shape, stated.framing, stated.mean) == ((3, 64, 64), "stretch", spec.mean)
    module.pretrained_cfg = module.default_cfg = {"file": "weights.bin"}
    assert lenetx.Checkpoint.of(module, input_shape=(3, 64, 64)).spec.framing == "unknown"


@installed
@pytest.mark.slow
def test_weights_are_exported_proven_and_predict_a_picture(weights, tmp_path):
    from torchvision import transforms

    from lenetx.publishing.against import load_against
    from lenetx_runtime import Classifier

    stated = Statement("crop", resize=40, input_size=(32, 32))
    lenetx.export(weights, ["onnx"], folder=tmp_path, weights_options=WeightsOptions("timm:test_resnet", stated=stated))
    path = tmp_path / "weights.onnx"
    checkpoint = load_against(weights, path, WeightsOptions("timm:test_resnet"))
    assert (checkpoint.spec.resize, checkpoint.spec.input_shape) == (40, (3, 32, 32))
    assert lenetx.verify(path, against=checkpoint).passed

    picture = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8))
    steps = [transforms.Resize(40), transforms.CenterCrop(32), transforms.ToTensor()]
    theirs = transforms.Compose([*steps, transforms.Normalize([0.5] * 3, [0.5] * 3)])
    module = models.build("timm:test_resnet", (3, 32, 32), 7).eval()
    module.load_state_dict(torch.load(weights))
    with torch.no_grad():
        wanted = module(theirs(picture)[None]).softmax(1)[0]
    found = Classifier(path).predict(picture).probabilities
    assert np.allclose([each for _, each in sorted(found)], wanted.numpy(), rtol=0, atol=1e-5)
