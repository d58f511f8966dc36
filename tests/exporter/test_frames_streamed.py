"""A set that streams gives the bits of one in memory, and its worker processes end well."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import lenetx
from lenetx import Augmentation, DataOptions, TrainConfig, data
from lenetx.errors import DataError
from lenetx.frames.reader import Reader, Task

CONFIG = TrainConfig(
    data="./pets", epochs=3, batch_size=16, augmentation=Augmentation(shift=1, rotate=5), learning_rate=0.01
)
STREAMS = 1000
"""Bytes: fewer than any set takes."""


@pytest.fixture(autouse=True)
def pets(tmp_path, monkeypatch):
    """A folder of pictures of two classes and one file that is none, in the current folder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(4)
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(60):
            levels = random.integers(0, 100, (20 + index % 7, 30, 3)) + 40 * number
            PIL.Image.fromarray(levels.astype(np.uint8)).save(tmp_path / f"pets/{name}/{index}.png")
    (tmp_path / "pets/cat/7b.png").write_bytes(b"no picture")
    return tmp_path / "pets"


def train(config=CONFIG, **options):
    notices = []
    options = DataOptions(skip_bad=True, **options)
    return lenetx.train(config, data_options=options, on_notice=notices.append), notices


def assert_same(found, expected):
    assert found.spec == expected.spec
    assert found.history == expected.history
    assert found.metrics == expected.metrics
    assert found.config == expected.config


@pytest.mark.slow
def test_streaming_with_and_without_workers_gives_the_same_weights():
    in_memory, notices = train()
    assert not any("they stream" in sentence for sentence in notices)
    for workers in (0, 2):
        streamed, notices = train(memory_limit=STREAMS, workers=workers)
        assert any("over the limit of 1,000: they stream" in sentence for sentence in notices)
        assert_same(streamed, in_memory)


def test_the_same_of_arrays_grey_or_rgb(tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (90, 11, 8, 3), np.uint8)
    for name, kind in (("grey.npz", images[..., 0]), ("rgb.npz", images)):
        np.savez(tmp_path / name, images=kind, labels=np.arange(90) % 3)
        config = TrainConfig(data=name, epochs=2, framing="letterbox")
        in_memory, _ = train(config)
        streamed, _ = train(config, memory_limit=STREAMS, workers=2)
        assert_same(streamed, in_memory)


def test_the_limit_is_what_the_whole_set_may_take():
    size = 120 * 32 * 32 + 32 * 32  # the file that is no picture is counted before it is opened
    for limit, streams in ((size, False), (size - 1, True)):
        _, notices = train(TrainConfig(data="./pets", epochs=1), memory_limit=limit, workers=0)
        assert any("they stream" in sentence for sentence in notices) == streams


@pytest.mark.slow
def test_a_pass_that_was_left_halfway_disturbs_no_other_one_and_the_random_state_of_the_caller_is_left_alone(
    checkpoint,
):
    state = torch.get_rng_state()
    part = data.load("./pets").train
    here, by_a_worker = (Reader([part], checkpoint.spec, workers) for workers in (0, 1))
    tasks = [Task(0, np.arange(start, start + 4), digests=True) for start in range(0, 80, 4)]
    for chosen in (tasks, tasks[::-1]):
        found = by_a_worker.read(chosen)
        for expected in itertools.islice(here.read(chosen), 3):
            assert_same_frames(next(found), expected)
    for found, expected in zip(by_a_worker.read(tasks), here.read(tasks), strict=True):
        assert_same_frames(found, expected)
    assert torch.equal(torch.get_rng_state(), state)


def assert_same_frames(found, expected):
    assert np.array_equal(found.images, expected.images)
    assert (found.digests, found.problems) == (expected.digests, expected.problems)


def test_a_picture_that_goes_away_meanwhile_is_named(pets):
    def remove(progress):
        if progress.validation_accuracy is not None:
            for path in pets.glob("dog/*.png"):
                path.unlink()

    with pytest.raises(DataError, match=r"There is no image 'pets/dog/\d+\.png'; it was there when the training began"):
        lenetx.train(
            CONFIG, data_options=DataOptions(skip_bad=True, memory_limit=STREAMS, workers=0), on_progress=remove
        )


def workers_of(pid):
    """Return the folders in /proc of the worker processes that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
            if parent == pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(folder)
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_that_dies_ends_the_training_with_a_sentence(tmp_path):
    command = [sys.executable, "-m", "lenetx_cli", "train", "--data", "./pets", "--epochs", "5000", "-o", "no.pt"]
    options = ["--skip-bad", "--memory-limit", "1kB", "--workers", "2"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        while not process.stderr.readline().startswith("epoch 2/"):
            assert process.poll() is None
        workers = workers_of(process.pid)
        assert len(workers) == 2
        os.kill(int(workers[0].name), signal.SIGKILL)
        _, told = process.communicate(timeout=250)
    assert process.returncode == 2
    assert told.splitlines()[-1].startswith("lenetx: A process that decodes images has died: DataLoader worker (pid")
    assert "Traceback" not in told
    assert not any(worker.exists() for worker in workers)
    assert not (tmp_path / "no.pt").exists()
