"""``lenetx adopt``, and every command on the file that it writes."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest

from lenetx_runtime import Classifier
from lenetx_runtime.__main__ import main as runtime

ASKED = ("adopt", "theirs.onnx", "--against", "w.pth", "--arch", "net.py:Net")
STATED = ("--labels", "a,b,c,d,e,f,g,h,i,j", "--framing", "mnist", "--mean", "0.1307", "--std", "0.3081")
PUBLISHED = ["manifest.json", "theirs.onnx", "theirs.onnx.verified.json"]

KILLED = """
import os, signal, sys
from lenetx.publishing import transaction
from pathlib import Path

replace, when = Path.replace, sys.argv.pop(1)

def kill(path, target):
    before = when == "before the commit" and path.name.startswith(".journal.json")
    if before or (when == "after it" and Path(target).name == "manifest.json" and path.parent != target.parent
                  and path.name == "manifest.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)

Path.replace = kill
from lenetx_cli.app import main
main()
"""


def test_an_adopted_file_works_with_every_command(theirs, cli, picture, capsys):
    result = cli(*ASKED, *STATED)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "Published artifacts/theirs.onnx."
    assert "theirs.onnx computes what eager PyTorch computes" in result.stdout
    assert sorted(path.name for path in (theirs / "artifacts").iterdir()) == PUBLISHED
    path = "artifacts/theirs.onnx"
    with Classifier(path, require_verified=True) as classifier:
        label = classifier.predict(picture).label
    predicted = cli("predict", path, picture, "--json")
    assert (json.loads(predicted.stdout)["predictions"][0]["label"], predicted.stderr) == (label, "")
    verified = cli("verify", path, "--against", "w.pth", "--arch", "net.py:Net", "--json")  # states nothing again
    assert verified.exit_code == 0, verified.stderr
    assert json.loads(verified.stdout)["reports"][0]["artifact"]["origin"] == "adopted"
    about = json.loads(cli("inspect", path, "--json").stdout)
    assert (about["spec"]["origin"], about["spec"]["labels"][3]) == ("adopted", "d")
    assert about["facts"]["proof"].startswith("theirs.onnx computes what eager PyTorch computes")
    assert {each["name"] for each in about["parameters"]} >= {"4.weight", "4.bias"}  # under the names of their graph
    capsys.readouterr()
    assert runtime(["selftest", path]) == 0
    assert runtime(["predict", path, str(picture)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("theirs")
def test_a_wrong_file_is_a_table_and_nothing_is_written(cli, contents, tmp_path):
    model = onnx.load("theirs.onnx")
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    onnx.save(model, "theirs.onnx")
    before = contents(tmp_path)
    result = cli(*ASKED)
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "theirs.onnx is NOT proven against w.pth" in result.stderr
    assert result.stderr.splitlines()[-1].endswith("Nothing was published.")
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("theirs")
def test_unproven_is_said_by_every_command(cli, picture, capsys):
    result = cli("adopt", "theirs.onnx", "--unproven", *STATED, "-o", "sealed")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "Published sealed/theirs.onnx, unproven.\n"
    path = "sealed/theirs.onnx"
    predicted = cli("predict", path, picture, "--json")
    assert len(json.loads(predicted.stdout)["predictions"]) == 1
    assert "Note: 'sealed/theirs.onnx' is unproven" in predicted.stderr
    assert "unproven: it was adopted unproven" in " ".join(cli("inspect", path).stdout.split())
    capsys.readouterr()
    assert runtime(["predict", path, str(picture)]) == 0
    assert "is unproven" in capsys.readouterr().err
    assert runtime(["inspect", path]) == 0
    assert "adopted unproven" in capsys.readouterr().out
    verified = cli("verify", path, "--against", "w.pth", "--arch", "net.py:Net")
    assert verified.exit_code == 0, verified.stderr
    assert "gets no certificate: it was adopted unproven" in verified.stderr


@pytest.mark.usefixtures("theirs")
def test_a_flat_input_is_told_how_it_is_read(cli):
    weight = onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32), "w")
    axes = {"x": [None, 784], "y": [None, 10]}
    values = {name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, axes[name]) for name in axes}
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "flat", [values["x"]], [values["y"]], [weight])
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), "flat.onnx")
    told = "taken as images of 1×28×28"
    assert told in " ".join(cli("adopt", "flat.onnx", "--unproven", *STATED, "-o", "sealed").stderr.split())
    stated = ("--input-size", "28", "--channels", "1")
    assert told not in cli("adopt", "flat.onnx", "--unproven", *STATED, *stated, "-o", "other").stderr


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (2, ("theirs.onnx",), "--against; --unproven seals it without any"),
        (2, ("theirs.onnx", "--unproven", "--against", "w.pth"), "omit one"),
        (2, ("theirs.onnx", "--unproven", "--arch", "net.py:Net"), "reads no weights"),
        (2, ("theirs.onnx", "--unproven", "-o", "."), "never overwritten: name another folder with -o"),
        (2, ("w.pth", "--unproven"), "does not end in .onnx"),
        (2, ("none.onnx", "--unproven"), "There is no model"),
        (2, ("theirs.onnx", "--unproven", "--labels", "a,b"), "2 labels"),
        (2, ("theirs.onnx", "--unproven", "--input-size", "32"), "--input-size and --channels"),
        (4, ("text.onnx", "--unproven"), "not an ONNX model"),
        (2, ("theirs.onnx", "--against", "w.pth", "--arch", "net.py:Net", "--output", "."), "is a folder"),
    ],
)
def test_what_cannot_be_adopted_is_one_sentence(refused, tmp_path, code, arguments, words):
    (tmp_path / "text.onnx").write_text("Dear reader, this is no model at all.")
    assert words in refused(code, "adopt", *arguments, "--quiet")
    assert not (tmp_path / "artifacts").exists()


@pytest.mark.parametrize("when", ["before the commit", "after it"])
@pytest.mark.slow
def test_wherever_it_is_killed_all_is_old_or_all_is_new(theirs, when):
    folder = theirs / "artifacts"
    folder.mkdir()
    old = {name: f"the old {name}" for name in PUBLISHED}
    for name, text in old.items():
        (folder / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, when, *ASKED], cwd=theirs, capture_output=True, check=False, text=True
    )
    assert done.returncode == -9, done.stderr
    from lenetx.publishing.transaction import lock_and_recover

    with lock_and_recover(folder):
        pass
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    if when == "before the commit":
        assert found == {name: text.encode() for name, text in old.items()}
    else:
        assert sorted(found) == PUBLISHED
        Classifier(folder / "theirs.onnx", require_verified=True).close()
        assert json.loads(found["manifest.json"])["artifacts"].keys() == {"theirs.onnx"}
