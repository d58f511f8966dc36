"""The library: the same work as the commands, as functions."""

import json

import pytest

import lenetx
from lenetx.errors import CheckpointError, DataError, InputError, OutputError, UnknownName

LIGHT = """
import sys
import lenetx
heavy = {"torch", "torchvision", "onnx", "onnxruntime", "PIL", "numpy", "sklearn", "typer", "rich"} & sys.modules.keys()
assert not heavy, heavy
assert lenetx.LenetxError.exit_code == 2
print(lenetx.__version__)
"""


def test_all_is_short_sorted_and_importable():
    assert sorted(lenetx.__all__) == list(lenetx.__all__)
    assert set(lenetx.__all__) <= set(dir(lenetx))
    for name in lenetx.__all__:
        assert getattr(lenetx, name) is not None
    namespace = {}
    exec("from lenetx import *", namespace)
    assert set(lenetx.__all__) <= namespace.keys()


def test_every_lazy_name_is_public_and_every_other_is_an_attribute_error():
    assert {name for names in lenetx._HOMES.values() for name in names} == set(lenetx.__all__)
    with pytest.raises(AttributeError, match="module 'lenetx' has no attribute 'trian'"):
        lenetx.trian  # noqa: B018


def test_importing_the_library_imports_nothing_heavy(python):
    done = python("-c", LIGHT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == lenetx.__version__


def test_the_whole_road_from_training_to_predicting(tmp_path):
    from lenetx import data

    checkpoint = lenetx.train(lenetx.TrainConfig(epochs=2, batch_size=64, learning_rate=0.01))
    assert isinstance(checkpoint, lenetx.Checkpoint)
    path = tmp_path / "models" / "mine.pt"
    lenetx.save(checkpoint, str(path))
    assert lenetx.load(str(path)).spec == checkpoint.spec
    (report,) = lenetx.export(str(path), ["onnx"])
    assert report.passed
    assert isinstance(report, lenetx.Report)
    assert all(isinstance(check, lenetx.Check) for check in report.checks)
    lenetx.verify(path.with_suffix(".onnx"), against=path).raise_if_failed()
    test = data.load("digits").test
    with lenetx.classifier(path.with_suffix(".onnx")) as classifier:
        found = [prediction.index for prediction in classifier.predict_batch(test.images)]
    assert sum(index == label for index, label in zip(found, test.labels, strict=True)) > 300


@pytest.mark.slow
def test_a_checkpoint_in_memory_is_exported_to_the_default_folder(checkpoint, tmp_path, monkeypatch, exported):
    data = exported("torchscript")
    monkeypatch.chdir(tmp_path)
    lenetx.export(checkpoint, ["torchscript"])
    assert (tmp_path / "artifacts" / "lenet5.torchscript").read_bytes() == data
    lenetx.export(checkpoint, ["torchscript"], folder="elsewhere", stem="digits")
    assert (tmp_path / "elsewhere" / "digits.torchscript").read_bytes() == data


@pytest.mark.slow
def test_a_fixed_batch_is_proven_and_predicts_any_number_of_images(checkpoint, tmp_path):
    from lenetx import data

    reports = lenetx.export(checkpoint, folder=tmp_path, batch=4)
    assert all(report.passed for report in reports)
    images = data.load("digits").test.images[:5]
    answers = [
        [prediction.label for prediction in lenetx.classifier(tmp_path / f"lenet5.{name}").predict_batch(images)]
        for name in ("onnx", "torchscript")
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formats": []}, InputError, "Formats are a list of names"),
        ({"formats": ["tflite"]}, UnknownName, "There is no format 'tflite'"),
        ({"batch": 0}, InputError, "The batch size is 0; it must be at least 1, or 'dynamic'"),
        ({"batch": -1}, InputError, "The batch size is -1"),
        ({"batch": 10**12}, InputError, "The batch size is 1000000000000; it must be at most"),
        ({"opset": 13}, InputError, "The opset is 13; lenetx writes 14 to 23"),
        ({"data_name": "mnits"}, UnknownName, "Did you mean 'mnist'"),
        ({"folder": __file__}, OutputError, "could not be made"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused_and_nothing_is_written(checkpoint, tmp_path, monkeypatch, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        lenetx.export(checkpoint, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_verify_takes_a_path_a_checkpoint_or_a_reference(published, checkpoint, reference):
    artifact = published / "lenet5.onnx"
    known = (published / "lenet5.pt", str(published / "lenet5.pt"), checkpoint, reference)
    reports = [lenetx.verify(artifact, against=each) for each in known]
    reports.append(lenetx.verify(str(artifact), against=reference))
    files = [report.reference.get("checkpoint") for report in reports]
    assert files == ["lenet5.pt", "lenet5.pt", None, None, None]
    assert len({json.dumps(report.to_dict() | {"reference": reports[2].reference}) for report in reports}) == 1
    assert reports[0].passed
    assert json.loads(reports[0].to_json())["passed"] is True


def test_verify_against_other_weights_fails_and_names_them(published, other_checkpoint):
    report = lenetx.verify(published / "lenet5.onnx", against=other_checkpoint)
    assert not report.passed
    failed = {check.name for check in report.failures}
    assert {"spec", "weights", "random inputs", "real inputs"} <= failed
    with pytest.raises(lenetx.LenetxError, match="NOT proven"):
        report.raise_if_failed()


def test_data_that_is_not_there_is_said_or_demanded(checkpoint, published, tmp_path, monkeypatch):
    import dataclasses

    monkeypatch.delenv("LENETX_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    elsewhere = dataclasses.replace(checkpoint, config=dict(checkpoint.config) | {"data": "mnist"})
    report = lenetx.verify(published / "lenet5.onnx", against=elsewhere)
    assert report.passed
    assert report.conclusion.endswith("(no real images seen).")
    unseen = [check for check in report.checks if check.status == "not_run"]
    names = ["real inputs", "lowest margins", "labels", "accuracy", "margin certificate"]
    assert [check.name for check in unseen] == names
    assert "MNIST is not on this machine" in unseen[0].detail
    with pytest.raises(DataError, match="MNIST is not in"):
        lenetx.reference(elsewhere, data_root=tmp_path)
    monkeypatch.setenv("LENETX_DATA", str(tmp_path / "mistyped"))
    with pytest.raises(DataError, match=r"MNIST is not in '.*mistyped'"):
        lenetx.verify(published / "lenet5.onnx", against=elsewhere)


def test_labels_of_another_data_set_are_refused(checkpoint):
    import dataclasses

    spec = dataclasses.replace(checkpoint.spec, labels=tuple("abcdefghij"))
    with pytest.raises(InputError, match="The labels of digits are 0, 1, 2"):
        lenetx.reference(dataclasses.replace(checkpoint, spec=spec))


def test_load_insists_on_an_architecture(checkpoint_paths):
    assert lenetx.load(checkpoint_paths["lenet5"], architecture="lenet5").spec.architecture == "lenet5"
    with pytest.raises(CheckpointError):
        lenetx.load(checkpoint_paths["lenet5"], architecture="lenet5-3x3")


def test_a_format_or_an_image_alone_is_not_taken_for_a_list(checkpoint, published, tmp_path):
    """A string is a sequence of letters, which is never what was meant."""
    with pytest.raises(InputError, match="Formats are a list of names, not 'onnx'"):
        lenetx.export(checkpoint, "onnx", folder=tmp_path)
    with (
        lenetx.classifier(published / "lenet5.onnx") as classifier,
        pytest.raises(InputError, match=r"predict_batch takes several images, not 'one.png' alone"),
    ):
        classifier.predict_batch("one.png")
    assert not list(tmp_path.iterdir())
