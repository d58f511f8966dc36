"""A finished training gives its weights, whatever fails after the last epoch; what could not be made is said."""

from pathlib import Path

import pytest

import lenetx
from lenetx.errors import OutputError
from lenetx.training import HistoryFile, TrainConfig

QUICK = TrainConfig(epochs=1, batch_size=400)


@pytest.fixture(scope="module")
def expected():
    return lenetx.train(QUICK)


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize(
    ("part", "error", "words", "missing"),
    [
        (
            "evaluate",
            RuntimeError("no such batch"),
            "The test split could not be evaluated: RuntimeError",
            "test_accuracy",
        ),
        ("evaluate", MemoryError(), "The test split could not be evaluated: MemoryError", "test_loss"),
        ("evaluate", SystemExit(3), "The test split could not be evaluated: SystemExit", "test_recall"),
        ("Evaluation.per_class", ImportError("no sklearn"), "Precision and recall by class could not", "test_recall"),
        ("with_self_test", RuntimeError("expected Double"), "The checkpoint has no self-test", None),
        (
            "with_self_test",
            lenetx.InputError("Eager is not float32."),
            "could not be made: Eager is not float32.",
            None,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_fails_is_said_and_the_weights_are_given(monkeypatch, tmp_path, expected, part, error, words, missing):
    notes, first = [], []
    monkeypatch.setattr(f"lenetx.training.outcome.{part}", raising(error))
    found = lenetx.train(QUICK, on_notice=notes.append, on_trained=first.append)
    (note,) = notes
    assert words in note
    assert found.spec.weights_sha256 == expected.spec.weights_sha256 == first[0].spec.weights_sha256
    assert (found.history, found.config) == (expected.history, expected.config)
    assert (found.spec.selftest is None) == (part == "with_self_test")
    assert set(expected.metrics) - set(found.metrics) >= ({missing} if missing else set())
    lenetx.save(found, tmp_path / "net.pt")
    assert lenetx.load(tmp_path / "net.pt").metrics == found.metrics


@pytest.mark.slow
def test_the_first_checkpoint_can_be_saved_loaded_and_exported(tmp_path):
    """It is all that there is where the process ends right after it."""
    first = []
    lenetx.train(QUICK, on_trained=first.append)
    assert first[0].metrics == {"chosen_epoch": 1}
    lenetx.save(first[0], tmp_path / "net.pt")
    (report,) = lenetx.export(tmp_path / "net.pt", ["onnx"])
    assert report.passed
    assert lenetx.verify(tmp_path / "net.onnx", against=tmp_path / "net.pt").passed
    assert lenetx.classifier(tmp_path / "net.onnx").self_test().passed


def test_a_picture_that_cannot_be_drawn_costs_no_other(monkeypatch, tmp_path, expected):
    notes = []
    monkeypatch.setattr("lenetx.training.plots.samples", raising(ValueError("no such colour")))
    found = lenetx.train(QUICK, plots=tmp_path, on_notice=notes.append)
    assert found.spec == expected.spec
    assert {path.stem for path in tmp_path.iterdir()} == {"curves", "confusion", "mistakes"}
    (note,) = notes
    assert note.startswith("A plot could not be drawn: ValueError")


def test_a_library_that_is_missing_for_all_pictures_is_said_once(monkeypatch, tmp_path):
    notes = []
    for name in ("curves", "samples", "confusion", "mistakes"):
        monkeypatch.setattr(f"lenetx.training.plots.{name}", raising(ImportError("No module named 'matplotlib'")))
    lenetx.train(QUICK, plots=tmp_path, on_notice=notes.append)
    assert len(notes) == 1
    assert "matplotlib" in notes[0]


def test_files_that_the_disk_refuses_end_no_training(monkeypatch, tmp_path, expected):
    """Neither the history nor what the run could be resumed from; a line of before is written with the next one."""
    notes, path = [], tmp_path / "net.history.jsonl"
    refusal = OutputError("'it' could not be written: No space left on device.")
    history = HistoryFile(path, notes.append)
    with monkeypatch.context() as patch:
        patch.setattr("lenetx.training.state.write_atomically", raising(refusal))
        patch.setattr("lenetx.training.history.write_atomically", raising(refusal))
        found = lenetx.train(
            QUICK, on_epoch=history, on_notice=notes.append, state=tmp_path / "net.resume", save_every=0
        )
    assert found.spec == expected.spec
    assert [note for note in notes if "Training continues" in note] == notes
    assert len(notes) == 2
    history({"epoch": 2})
    assert [line[:11] for line in path.read_text().splitlines()] == ['{"epoch": 1', '{"epoch": 2']


@pytest.mark.slow
def test_weights_are_taken_from_an_interrupted_run(tmp_path):
    """Those of the best epoch or, before its end, the latest ones."""

    class Stop(Exception):
        pass

    for epochs_done in (0, 1):
        state, target = tmp_path / f"{epochs_done}.resume", tmp_path / f"{epochs_done}.pt"
        moments = []

        def stop(progress, moments=moments, wanted=epochs_done):
            moments.append(progress)
            if progress.epoch > wanted and progress.step >= 20 * (wanted + 1):
                raise Stop

        with pytest.raises(Stop):
            lenetx.train(TrainConfig(epochs=3, batch_size=30, ema=0.9), state=state, save_every=0, on_progress=stop)
        lenetx.convert(state, target)
        found = lenetx.load(target)
        assert found.metrics == {"chosen_epoch": epochs_done}
        assert len(found.history) == epochs_done
        assert found.config["data"] == "digits"
        (report,) = lenetx.export(found, ["onnx"], folder=tmp_path)
        assert report.passed
        assert lenetx.load(state).spec == found.spec


def test_an_interrupted_run_that_was_changed_is_refused(tmp_path):
    from lenetx.weights import tensor_file

    def stop(_):
        raise KeyboardInterrupt

    state = tmp_path / "net.resume"
    with pytest.raises(KeyboardInterrupt):
        lenetx.train(QUICK, state=state, save_every=0, on_epoch=stop)
    content = tensor_file.unpack(state.read_bytes())
    content["loop"]["stepper"]["network"]["fc3.bias"] += 1
    Path(state).write_bytes(tensor_file.pack(content))
    with pytest.raises(lenetx.CheckpointError, match="digest does not match"):
        lenetx.convert(state, tmp_path / "net.pt")
