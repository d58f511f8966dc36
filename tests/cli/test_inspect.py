"""``lenetx inspect``."""

import dataclasses
import json

import pytest

import lenetx
from lenetx_runtime import SelfTest

KINDS = {"checkpoint": "lenet5.pt", "onnx": "lenet5.onnx", "torchscript": "lenet5.torchscript"}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_people_read_every_weight_with_its_shape_count_and_range(cli, published, checkpoint, kind):
    result = cli("inspect", published / KINDS[kind])
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()]
    for name, tensor in checkpoint.state_dict.items():
        shape = "×".join(map(str, tensor.shape))
        limits = [f"{float(tensor.min()):.6f}", f"{float(tensor.max()):.6f}"]
        assert [name, shape, f"{tensor.numel():,}", *limits] in rows
    assert ["all", "61,706"] in rows
    assert ["kind", kind] in rows
    assert ["size", f"{(published / KINDS[kind]).stat().st_size:,}", "bytes"] in rows


def test_people_read_how_pictures_are_prepared(cli, published, checkpoint, kind):
    text = cli("inspect", published / KINDS[kind]).stdout
    for key in ("architecture", "labels", "mean", "std", "scale", "padding", "framing", "weights_sha256"):
        assert any(line.startswith(key) for line in text.splitlines()), key
    assert checkpoint.spec.weights_sha256 in text


def test_json_is_one_document_on_stdout(cli, published, checkpoint, kind):
    result = cli("inspect", published / KINDS[kind], "--json")
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["kind"] == kind
    assert document["spec"]["weights_sha256"] == checkpoint.spec.weights_sha256
    found = {each["name"]: each for each in document["parameters"]}
    for name, tensor in checkpoint.state_dict.items():
        assert found[name] == {
            "name": name,
            "shape": list(tensor.shape),
            "count": tensor.numel(),
            "minimum": float(tensor.min()),
            "maximum": float(tensor.max()),
        }


@pytest.mark.parametrize(("name", "count"), [("lenet5-3x3", "60,074"), ("lenet5-1998", "61,706")])
def test_the_other_networks_are_shown_too(cli, checkpoint_paths, name, count):
    text = cli("inspect", checkpoint_paths[name]).stdout
    assert ["architecture", name] in [line.split() for line in text.splitlines()]
    assert count in text


def test_people_read_how_many_images_the_self_test_has_and_not_the_images(cli, checkpoint, tmp_path):
    rows = ((0.0,) * 10,) * 8
    spec = dataclasses.replace(checkpoint.spec, selftest=SelfTest(bytes(8 * 28 * 28), rows, rows))
    lenetx.save(dataclasses.replace(checkpoint, spec=spec), tmp_path / "tested.pt")
    text = cli("inspect", tmp_path / "tested.pt").stdout
    assert ["selftest", "8", "images"] in [line.split() for line in text.splitlines()]
    assert "AAAA" not in text
    document = json.loads(cli("inspect", tmp_path / "tested.pt", "--json").stdout)
    assert document["spec"]["selftest"] == spec.selftest.to_plain()
