"""Where a run stands, written down and gone on from: the same bits, and nothing but the same run."""

import dataclasses

import pytest
import torch

import lenetx
from lenetx.errors import CheckpointError, InputError
from lenetx.training import Augmentation, TrainConfig
from lenetx.training.state import read
from lenetx.weights import run_state, tensor_file

RICH = TrainConfig(
    epochs=3,
    batch_size=200,
    optimizer="adamw",
    ema=0.9,
    weight_decay=0.01,
    gradient_clipping=1.0,
    augmentation=Augmentation(shift=1, rotate=5, elastic=1),
)
CONFIGS = {
    "everything": RICH,
    "momentum": TrainConfig(epochs=3, batch_size=200, optimizer="sgd", schedule="cosine", keep="last"),
    "hardest": TrainConfig(epochs=4, batch_size=200, hardest=0.5),
    "patience": TrainConfig(epochs=3, batch_size=200, schedule="constant", patience=1),
}


class Killed(Exception):
    """Stands for the end of a process; the real one is in tests/cli/test_train_resume.py."""


def interrupted(config, state, step):
    """Train until a step is done and its state written, and end there without any tidying up."""
    from lenetx.training.state import StateFile

    with pytest.MonkeyPatch.context() as patch:
        write = StateFile.write

        def writing(self, loop):
            write(self, loop)
            if loop["stepper"]["step"] == step:
                raise Killed

        patch.setattr(StateFile, "write", writing)
        with pytest.raises(Killed):
            lenetx.train(config, state=state, save_every=0)


@pytest.fixture(scope="module")
def uninterrupted():
    return {name: lenetx.train(config) for name, config in CONFIGS.items()}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("step", [1, 6, 7, 12, 17, 18], ids="step {}".format)
def test_what_goes_on_ends_with_the_same_bits(tmp_path, uninterrupted, name, step):
    expected = uninterrupted[name]
    if step > expected.history[-1]["step"]:
        pytest.skip(f"patience ended this run at step {expected.history[-1]['step']}")
    state = tmp_path / "net.resume"
    interrupted(CONFIGS[name], state, step)
    torch.manual_seed(step)  # whatever the global generator was left at must not matter
    found = lenetx.train(state=state, resume=True)
    assert found.spec == expected.spec
    assert found.history == expected.history
    assert found.metrics == expected.metrics
    assert found.config == expected.config


def test_the_records_of_before_are_told_again_and_the_others_once(tmp_path):
    state, told = tmp_path / "net.resume", []
    interrupted(RICH, state, 13)
    found = lenetx.train(state=state, resume=True, on_epoch=told.append)
    assert [record["epoch"] for record in told] == [1, 2, 3]
    assert [{name: value for name, value in record.items() if name != "seconds"} for record in told] == list(
        found.history
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "net.resume"
    interrupted(RICH, path, 7)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "lenet5-1998"}, "trains lenet5, not lenet5-1998"),
        ({"learning_rate": 0.5}, "has learning_rate 0.003, not 0.5"),
        ({"epochs": 4}, "has epochs 3, not 4"),
        ({"seed": 1}, "has seed 0, not 1"),
        ({"augmentation": Augmentation()}, "has augmentation"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_another_run_is_refused(state, changes, words):
    before = state.read_bytes()
    with pytest.raises(InputError, match=words):
        lenetx.train(dataclasses.replace(RICH, **changes), state=state, resume=True)
    assert state.read_bytes() == before


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_another_data_set_is_refused(state, monkeypatch, part):
    digits = lenetx.data.load("digits")
    split = getattr(digits, part)
    images = split.images.copy()
    images[-1, 4, 4] ^= 1
    changed = dataclasses.replace(digits, **{part: dataclasses.replace(split, images=images)})
    monkeypatch.setattr("lenetx.data.load", lambda *_, **__: changed)
    with pytest.raises(InputError, match="is of another data set"):
        lenetx.train(state=state, resume=True)


def test_other_threads_are_told(state):
    notices, threads = [], torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        lenetx.train(state=state, resume=True, on_notice=notices.append)
    finally:
        torch.set_num_threads(threads)
    (notice,) = notices
    assert f"threads {threads}, now {threads + 1}" in notice


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(InputError, match=r"There is nothing to resume: '.*net\.resume' does not exist"):
        lenetx.train(state=tmp_path / "net.resume", resume=True)
    with pytest.raises(InputError, match="name the file with the run's state"):
        lenetx.train(resume=True)


@pytest.mark.parametrize("position", [0, 100, 5000, -3000, -1])
def test_a_damaged_state_is_refused(state, tmp_path, position):
    data = bytearray(state.read_bytes())
    data[position] ^= 4
    (tmp_path / "net.resume").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"'.*net\.resume' cannot be resumed from\."):
        lenetx.train(state=tmp_path / "net.resume", resume=True)


@pytest.mark.parametrize(
    "content",
    [{}, {"lenetx_state": 1}, {"lenetx_state": 2}, {"lenetx_state": torch.ones(2)}, {"state_dict": {}}],
    ids=str,
)
def test_another_file_is_no_state(tmp_path, content):
    path = tmp_path / "net.resume"
    path.write_bytes(tensor_file.pack(content))
    with pytest.raises(CheckpointError, match="cannot be resumed from"):
        read(path)


def _moment_of_another_shape(content):
    content["loop"]["stepper"]["optimizer"]["state"][0]["exp_avg"] = torch.zeros(1)


def _no_moment(content):
    content["loop"]["stepper"]["optimizer"]["state"][0].pop("exp_avg")


def _no_bias(content):
    content["loop"]["stepper"]["network"].pop("fc1.bias")


@pytest.mark.parametrize("change", [_moment_of_another_shape, _no_moment, _no_bias])
@pytest.mark.parametrize("sealed", [True, False], ids=["sealed anew", "repacked"])
def test_a_state_that_does_not_fit_its_network_is_refused(state, tmp_path, change, sealed):
    content = dict(run_state.require_whole(tensor_file.unpack(state.read_bytes())))
    change(content)
    whole = run_state.sealed(content) if sealed else content | {"sha256": "0" * 64}
    (tmp_path / "net.resume").write_bytes(tensor_file.pack(whole))
    with pytest.raises(CheckpointError, match="does not fit its network" if sealed else "digest does not match"):
        lenetx.train(state=tmp_path / "net.resume", resume=True)


@pytest.mark.parametrize("name", ["config", "spec", "data_sha256", "origin", "loop"])
@pytest.mark.parametrize("value", [None, 5, "", [], {"data": 1}, {"x": torch.zeros(1)}, {"epochs": 10**9}], ids=str)
def test_a_field_of_another_kind_is_a_sentence(state, tmp_path, name, value):
    content = dict(run_state.require_whole(tensor_file.unpack(state.read_bytes()))) | {name: value}
    (tmp_path / "net.resume").write_bytes(tensor_file.pack(run_state.sealed(content)))
    with pytest.raises(lenetx.LenetxError):
        lenetx.train(state=tmp_path / "net.resume", resume=True)


def test_code_in_a_state_is_not_run(state, tmp_path, planted):
    content = tensor_file.unpack(state.read_bytes())
    content["loop"]["extra"] = planted(tmp_path / "it-ran")
    (tmp_path / "net.resume").write_bytes(tensor_file.pack(content))
    with pytest.raises(CheckpointError, match="rejected and not executed"):
        lenetx.train(state=tmp_path / "net.resume", resume=True)
    assert not (tmp_path / "it-ran").exists()


def test_unfinished_files_of_a_killed_process_go_away(tmp_path):
    left, other = tmp_path / ".net.resume.0123abcd.part", tmp_path / ".net.pt.0123abcd.part"
    left.write_bytes(b"x")
    other.write_bytes(b"x")
    lenetx.train(TrainConfig(epochs=1, batch_size=600), state=tmp_path / "net.resume")
    assert not left.exists()
    assert other.exists()


@pytest.mark.parametrize(("every", "writes"), [(0.0, 6), (1e6, 0)])
def test_a_state_is_written_every_so_often(tmp_path, every, writes):
    from lenetx.training.state import StateFile

    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StateFile, "write", lambda _, loop: seen.append(loop["stepper"]["step"]))
        lenetx.train(TrainConfig(epochs=1, batch_size=200), state=tmp_path / "net.resume", save_every=every)
    assert len(set(seen)) == writes
