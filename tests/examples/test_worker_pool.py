"""examples/worker_pool.py as a process, with the processes that it starts."""

import json
import os
import signal
import time
from pathlib import Path

import pytest


@pytest.fixture
def script(root):
    return root / "examples" / "worker_pool.py"


def test_every_picture_is_answered_in_order_and_a_bad_one_holds_up_no_other(python, script, model, pictures):
    folder, labels = pictures
    (folder / "07x.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    done = python(script, model, folder)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert done.stderr == ""
    assert [line["file"] for line in lines] == sorted([*labels, "07x.png"])
    bad = lines.pop(8)
    assert bad == {
        "file": "07x.png",
        "error": "The image '07x.png' is not a readable PNG, JPEG, BMP, WEBP or GIF file.",
    }
    right = sum(line["label"] == labels[line["file"]] for line in lines)
    assert right >= 35  # of 40 drawn with 8×8 pixels, which the model has not seen


def test_good_pictures_end_with_0(python, script, model, pictures):
    folder, labels = pictures
    done = python(script, model, folder)
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, len(labels), "")


def test_what_it_cannot_work_with_is_a_sentence(python, script, model, tmp_path):
    missing = tmp_path / "missing"
    for arguments, sentence in (
        ((missing, tmp_path), f"There is no model '{missing}'.\n"),
        ((model, missing), f"{missing}: No such file or directory.\n"),
        ((), "Usage: python worker_pool.py MODEL FOLDER\n"),
    ):
        done = python(script, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def workers(process):
    """Return the ids of the worker processes of a process."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def wait_until_gone(processes):
    """Return once none of them is there any more."""
    deadline = time.monotonic() + 250
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def many(pictures):
    """More pictures than are labelled while a test looks."""
    folder, _ = pictures
    for number in range(20_000):
        os.link(folder / "00.png", folder / f"more {number:05}.png")
    return folder


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the workers are found in /proc")
def test_a_worker_that_is_killed_ends_it_with_a_sentence(program, script, model, many):
    pool = program(script, model, many)
    pool.line()
    os.kill(workers(pool.process)[0], signal.SIGKILL)
    out, errors = pool.process.communicate(timeout=250)
    assert pool.process.returncode == 1
    assert errors == "A worker died, perhaps for lack of memory: the pictures after the last line are not labelled.\n"
    _, *whole = out.splitlines() or [""]  # the first is cut off: reading a line has read ahead
    assert all(json.loads(line)["label"] for line in whole)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the workers are found in /proc")
def test_an_interrupt_ends_it_and_its_workers(program, script, model, many):
    pool = program("-c", INTERRUPTIBLE.format(script=str(script)), model, many)
    pool.line()
    children = workers(pool.process)
    for child in children:  # as the terminal does it
        os.kill(child, signal.SIGINT)
    for _ in range(3000):  # more than a pipe holds: they went on, for it is the first process that ends them
        pool.line()
    code, _, errors = pool.end(signal.SIGINT)
    assert (code, errors) == (130, "")
    assert children
    wait_until_gone(children)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the workers are found in /proc")
@pytest.mark.parametrize("everyone", [False, True], ids=["parent", "group"])  # a supervisor may signal the whole group
def test_sigterm_ends_it_and_its_workers(program, script, model, many, everyone):
    pool = program(script, model, many)
    pool.line()
    children = workers(pool.process)
    (os.killpg if everyone else os.kill)(pool.process.pid, signal.SIGTERM)
    _, errors = pool.process.communicate(timeout=250)  # only when no worker holds stdout any more
    assert (pool.process.returncode, errors) == (143, "")
    assert children
    wait_until_gone(children)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the workers are found in /proc")
def test_workers_end_by_themselves_when_their_parent_is_killed(program, script, model, many):
    pool = program(script, model, many)
    pool.line()
    assert workers(pool.process)
    pool.process.kill()
    pool.process.communicate(timeout=250)  # ends when no worker holds stdout any more


# What was started in the background has SIGINT ignored, and so have its children: run the script as it is otherwise.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_path({script!r}, run_name="__main__")
"""
