"""The same checkpoint gives the same artifacts, whatever the process, folder, user or name."""

import dataclasses
import hashlib
import json
import shutil

import pytest

from lenetx import formats
from lenetx.formats.network import Network

EXPORT = """
import hashlib, json, sys
import lenetx
from lenetx import formats
from lenetx.formats.network import Network
checkpoint = lenetx.load(sys.argv[1])
print(json.dumps({
    name: hashlib.sha256(formats.get(name).export(Network(checkpoint), batch="dynamic")).hexdigest()
    for name in reversed(formats.FORMATS)
}))
"""


@pytest.mark.slow
def test_another_process_in_another_folder_for_another_user(python, exported, checkpoint_paths, tmp_path):
    """The other process exports in the other order, too."""
    pytest.importorskip("openvino")
    pytest.importorskip("executorch")
    folder = tmp_path / "somewhere else"
    folder.mkdir()
    shutil.copy(checkpoint_paths["lenet5"], folder / "renamed.pt")
    done = python(
        "-c", EXPORT, "renamed.pt", cwd=folder, HOME=str(folder), USER="nobody", TMPDIR=str(folder), PYTHONHASHSEED="99"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: hashlib.sha256(exported(name)).hexdigest() for name in formats.FORMATS}


SOME_SLOW = [pytest.param(name, marks=[pytest.mark.slow] * (name == "executorch")) for name in formats.FORMATS]


@pytest.mark.parametrize("name", SOME_SLOW)
def test_a_second_export_in_the_same_process(exported, checkpoint, name):
    again = formats.get(name).export(Network(checkpoint), batch="dynamic")
    assert again == exported(name)


@pytest.mark.parametrize("name", formats.DEFAULT)
def test_published_files_are_what_was_exported(exported, published, name):
    assert (published / f"lenet5.{name}").read_bytes() == exported(name)


@pytest.mark.parametrize("name", [*formats.DEFAULT, pytest.param("pt2", marks=pytest.mark.slow)])
def test_figures_and_history_do_not_change_the_artifact(exported, checkpoint, name):
    """What is not in the artifact's own spec does not leak into it."""
    renamed = dataclasses.replace(checkpoint, metrics={"test_accuracy": 0.1}, history=(), config={"data": "mnist"})
    assert formats.get(name).export(Network(renamed), batch="dynamic") == exported(name)


@pytest.mark.parametrize("name", [*formats.DEFAULT, pytest.param("pt2", marks=pytest.mark.slow)])
def test_other_weights_do_change_it(exported, other_checkpoint, name):
    assert formats.get(name).export(Network(other_checkpoint), batch="dynamic") != exported(name)
