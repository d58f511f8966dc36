"""The app of one file, built and run as a process where the source tree is not."""

import importlib.util
import shutil
import sysconfig

import pytest


@pytest.fixture(scope="module")
def app(tmp_path_factory, root, model, program):
    target = tmp_path_factory.mktemp("built") / "digits.pyz"
    built = program(root / "examples" / "single_file_app" / "build.py", model, target)
    line = built.line()
    assert built.process.wait(250) == 0
    assert line == f"Wrote {target}, {target.stat().st_size / 1024:.0f} KiB.\n"
    return target


@pytest.fixture
def run(python, app, tmp_path):
    """The function that runs a copy of the app with the packages of this environment, but not what is being edited."""

    def start(*arguments):
        copy = shutil.copy(app, tmp_path)
        packages = sysconfig.get_path("purelib")
        return python("-S", copy, *arguments, PYTHONPATH=packages)  # -S: no .pth files, which lead to a source tree

    return start


def test_it_labels_with_the_model_and_the_runtime_that_it_carries(run, seven, tmp_path):
    shutil.copy(seven, tmp_path)
    done = run("seven.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "seven.png: 7 (100.0%)\n"


def test_a_picture_that_cannot_be_used_is_a_sentence_and_the_others_are_labelled(run, seven, tmp_path):
    shutil.copy(seven, tmp_path)
    done = run("no.png", "seven.png")
    assert (done.returncode, done.stderr) == (1, "There is no image 'no.png'.\n")
    assert done.stdout == "seven.png: 7 (100.0%)\n"


def test_without_a_picture_it_says_how_it_is_used(run):
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "Usage: python digits.pyz PICTURE…\n")


@pytest.mark.parametrize("there", [(), ("numpy",), ("numpy", "PIL")])
def test_what_is_missing_is_named_at_once_with_the_way_to_install_it(python, app, tmp_path, there):
    for module in there:
        (tmp_path / module).symlink_to(importlib.util.find_spec(module).submodule_search_locations[0])
    done = python("-S", app, "seven.png", PYTHONPATH=str(tmp_path))
    missing = ["numpy", "pillow", "onnxruntime"][len(there) :]
    sentence = f"Not installed in this Python: {', '.join(missing)}. Do it with: pip install {' '.join(missing)}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def test_a_folder_that_is_not_there_is_a_sentence(python, root, model, tmp_path):
    target = tmp_path / "no" / "app.pyz"
    done = python(root / "examples" / "single_file_app" / "build.py", model, target)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{target}: No such file or directory.\n")


def test_no_app_is_built_around_a_broken_model(python, root, model, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:-1])
    done = python(root / "examples" / "single_file_app" / "build.py", broken, tmp_path / "app.pyz")
    assert done.returncode == 1
    assert f"The model '{broken}' cannot be used." in done.stderr
    assert not (tmp_path / "app.pyz").exists()
