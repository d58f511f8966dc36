"""``lenetx verify``, ``inspect`` and ``predict`` of an ONNX file that lenetx did not write."""

import json

import onnx
import pytest

ASKED = ("verify", "theirs.onnx", "--against", "w.pth", "--arch", "net.py:Net")


def test_a_file_of_torch_is_proven_and_certified(theirs, cli):
    result = cli(*ASKED, "--json")
    assert result.exit_code == 0, result.stderr
    (report,) = json.loads(result.stdout)["reports"]
    inside = {check["name"]: check["status"] for check in report["checks"] if check["group"] in ("weights", "layers")}
    assert inside == dict.fromkeys(("weights", "numbers", "graph", "layers"), "passed")
    assert report["artifact"]["origin"] == "foreign"
    certificate = json.loads((theirs / "theirs.onnx.verified.json").read_text())
    assert certificate["conclusion"] == "theirs.onnx computes what eager PyTorch computes (no real images seen)."


@pytest.mark.usefixtures("theirs")
def test_a_wrong_file_fails_and_the_road_is_named(cli):
    model = onnx.load("theirs.onnx")
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    onnx.save(model, "theirs.onnx")
    result = cli(*ASKED)
    assert result.exit_code == 1
    assert "theirs.onnx is NOT proven against w.pth: graph, layers, random inputs" in result.stdout


def test_weights_beside_the_file_get_no_certificate(theirs, cli):
    onnx.save(onnx.load("theirs.onnx"), "theirs.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    result = cli(*ASKED)
    assert result.exit_code == 0, result.stderr
    assert "'theirs.onnx' gets no certificate, which would not cover its weights in w.bin" in result.stderr
    assert not list(theirs.glob("*.verified.json"))


@pytest.mark.usefixtures("theirs")
def test_inspect_describes_it(cli):
    result = cli("inspect", "theirs.onnx", "--json")
    description = json.loads(result.stdout)
    assert (description["kind"], description["spec"]) == ("onnx", None)
    facts = description["facts"]
    assert facts["inputs"] == ["x: float32[x_dynamic_axes_1, 1, 28, 28]"]
    assert facts["operators"] == {"Conv": 1, "Relu": 1, "Flatten": 1, "Gemm": 1}
    assert facts["precision"] == "float32"
    assert "lenetx verify" in facts["next"]
    assert "x: float32[x_dynamic_axes_1, 1, 28, 28]" in cli("inspect", "theirs.onnx").stdout


@pytest.mark.usefixtures("theirs")
def test_predict_names_the_road(refused):
    sentence = refused(4, "predict", "theirs.onnx", "seven.png")
    assert "'lenetx adopt' adds what the runtime needs" in sentence


@pytest.mark.usefixtures("theirs")
def test_without_weights_there_is_nothing_to_compare_with(refused):
    assert "name one with --against" in refused(2, "verify", "theirs.onnx")


@pytest.fixture
def two(theirs):
    """The file with a second output, the softmax of its logits."""
    model = onnx.load("theirs.onnx")
    logits = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Softmax", [logits], ["shares"], axis=1))
    model.graph.output.append(onnx.helper.make_tensor_value_info("shares", 1, ["batch", 10]))
    onnx.save(model, "theirs.onnx")
    return theirs, logits


@pytest.mark.slow
def test_one_of_several_outputs_is_proven_and_adopted(two, cli, refused):
    folder, logits = two
    asked = ASKED[1:]
    for command in ("verify", "adopt"):
        assert "choose one with --output INDEX|NAME" in refused(2, command, *asked)
    for output in ("0", logits):
        result = cli("verify", *asked, "--output", output)
        assert result.exit_code == 0, result.stderr
        assert f"(no real images seen; its output '{logits}' only)" in result.stdout
    certificate = json.loads((folder / "theirs.onnx.verified.json").read_text())
    assert f"its output '{logits}' only" in certificate["conclusion"]
    result = cli("verify", *asked, "--output", "shares")
    assert (result.exit_code, "it returns the softmax of its logits" in result.stdout) == (1, True)
    result = cli("adopt", *asked, "--output", logits)
    assert result.exit_code == 0, result.stderr
    assert f"has 2 outputs: {logits} is kept; shares and what only they need are left out." in result.stderr
    assert cli("verify", "artifacts/theirs.onnx", *asked[1:]).exit_code == 0
    assert "It has 2 outputs" in refused(2, "adopt", "theirs.onnx", "--unproven", "-o", "sealed")
    assert cli("adopt", "theirs.onnx", "--unproven", "--output", "0", "-o", "sealed").exit_code == 0
