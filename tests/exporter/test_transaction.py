"""Several files appear in one step, wherever the process is killed, stopped or refused; and nothing is left lying."""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from lenetx.errors import OutputError
from lenetx.publishing.transaction import lock_and_recover, move_into_place, staging

from .old_files import NAMES, NEW, OLD, OTHER, filled, found, repaired

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path / "models")


def publish(folder, files=NEW):
    with staging(folder) as staged:
        for name, data in files.items():
            (staged / name).write_bytes(data)
        with lock_and_recover(folder):
            move_into_place(staged, list(files), folder)


def killed_at(step, work, sent=signal.SIGKILL):
    """Run work in a child process that is sent a signal before its n-th step on the disk; give whether it came to it.

    Every opening, renaming, linking, making and removing of a file is a step, as Python's audit events tell.
    """
    child = os.fork()
    if not child:
        seen = []

        def hook(event, _):
            if event.split(".")[0] in ("open", "os", "shutil") and event not in ("os.scandir", "os.listdir"):
                seen.append(event)
                if len(seen) == step:
                    os.kill(os.getpid(), sent)

        sys.addaudithook(hook)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_wherever_it_is_killed_all_is_old_or_all_is_new(tmp_path):
    ends = []
    for step in range(1, 200):
        folder = tmp_path / str(step)
        folder.mkdir()
        for name, data in {**OLD, **OTHER}.items():
            (folder / name).write_bytes(data)
        if not killed_at(step, lambda: publish(folder)):  # noqa: B023  # called at once
            break
        left = repaired(folder)
        ends.append("new" if left == {**NEW, **OTHER} else "old")
        assert left in ({**NEW, **OTHER}, {**OLD, **OTHER}), f"step {step}"
    assert found(folder) == {**NEW, **OTHER}
    assert ends == sorted(ends, reverse=True)  # from one step on it is published
    assert {"old", "new"} == set(ends)


def test_wherever_the_repair_is_killed_too_all_is_new(tmp_path):
    def half_done(folder):
        """Leave what a process leaves that is killed after its second rename."""
        staged = folder / ".lenetx-0123"
        (staged / "old").mkdir(parents=True)
        for name, data in OLD.items():
            (folder / name).write_bytes(data)
            (staged / "old" / name).hardlink_to(folder / name)
        for name, data in NEW.items():
            (staged / name).write_bytes(data)
        journal = {"names": NAMES, "fresh": ["m.torchscript"]}
        (staged / "journal.json").write_text(json.dumps(journal))
        for name in NAMES[:2]:
            (staged / name).replace(folder / name)

    for step in range(1, 100):
        folder = tmp_path / str(step)
        half_done(folder)
        went_on = killed_at(step, lambda: repaired(folder))  # noqa: B023
        assert repaired(folder) == NEW, f"step {step}"
        if not went_on:
            break
    assert step > 3


class Refusing:
    """Lets the n-th rename fail, before or after it was done, and those of undoing as well if that is wanted."""

    def __init__(self, patch, number, error, *, done, also_later=False):
        self.seen, rename = [], Path.replace

        def replace(path, target):
            self.seen.append(path)
            if len(self.seen) == number or (also_later and len(self.seen) > number):
                if done:
                    rename(path, target)
                raise error
            return rename(path, target)

        patch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("also_later", [False, True], ids=["once", "and undoing too"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), PermissionError(1, "not permitted")], ids=repr)
def test_whatever_happens_at_any_rename_the_old_files_stand(folder, monkeypatch, error, done, also_later):
    """At once or, where the disk refuses to go back as well, with the next command."""
    expected = (OutputError if isinstance(error, OSError) else type(error),)
    also_later = also_later and isinstance(error, OSError)
    for number in range(1, 50):
        with monkeypatch.context() as patch:
            refusing = Refusing(patch, number, error, done=done, also_later=also_later)
            with contextlib.suppress(expected):
                publish(folder)
        if len(refusing.seen) < number:
            break
        if not also_later:
            assert found(folder) == {**OLD, **OTHER}, f"rename {number}"
        after = repaired(folder)
        assert after == {**OLD, **OTHER} or (also_later and after == {**NEW, **OTHER}), f"rename {number}"
        if after == {**NEW, **OTHER}:
            for path in folder.iterdir():
                path.unlink()
            for name, data in {**OLD, **OTHER}.items():
                (folder / name).write_bytes(data)
    assert number > len(NAMES)


def test_a_file_is_never_away(folder, monkeypatch):
    seen, rename = [], Path.replace

    def replace(path, target):
        seen.append(all((folder / name).exists() for name in OLD))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    publish(folder)
    assert len(seen) > len(NAMES)
    assert all(seen)


def test_two_at_once_leave_the_files_of_one(folder):
    """Real processes; each renaming takes a while, so that they would mix."""

    def slowly(word):
        rename = Path.replace

        def replace(path, target):
            time.sleep(0.01)
            return rename(path, target)

        Path.replace = replace
        publish(folder, {name: f"{word} {name}".encode() for name in NAMES})

    for _ in range(3):
        children = []
        for word in ("first", "second"):
            child = os.fork()
            if not child:
                try:
                    slowly(word)
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        assert {data.split()[0] for data in found(folder).values()} - {b"of"} in ({b"first"}, {b"second"})
        assert found(folder).keys() == {*NAMES, *OTHER}


def test_who_waits_is_told_and_a_living_process_keeps_its_folder(folder, monkeypatch):
    words, inside, go_on = [], threading.Event(), threading.Event()
    monkeypatch.setattr("lenetx.locking._TOLD_AFTER", 0.0)

    def other():
        with staging(folder) as staged, lock_and_recover(folder):
            (staged / "m.onnx").write_bytes(b"not yet")
            inside.set()
            go_on.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(60)

    def tell(sentence):
        words.append(sentence)
        go_on.set()

    with lock_and_recover(folder, tell):
        thread_left = [path for path in folder.iterdir() if path.name.startswith(".lenetx-")]
    thread.join(60)
    assert words == [f"waiting for another lenetx, which publishes to '{folder}'"]
    assert len(thread_left) <= 1
    assert found(folder) == {**OLD, **OTHER}


@pytest.mark.parametrize("taken", [None], ids=["no locks"])
def test_a_file_system_without_locks_is_used_without(folder, monkeypatch, taken):
    """Nobody can tell then who lives: what is young stays, and a journal of before goes on."""
    monkeypatch.setattr("lenetx.locking._taken", lambda _: taken)
    publish(folder)
    assert found(folder) == {**NEW, **OTHER}
    young, old = folder / ".lenetx-young", folder / ".lenetx-old"
    for staged in (young, old):
        staged.mkdir()
        (staged / "journal.json").write_text(json.dumps({"names": ["m.onnx"], "fresh": []}))
        (staged / "m.onnx").write_bytes(b"newer")
    os.utime(old, (time.time() - 3600,) * 2)
    with lock_and_recover(folder):
        pass
    assert (folder / "m.onnx").read_bytes() == b"newer"
    assert young.exists()
    assert not old.exists()


def test_a_folder_that_is_deleted_meanwhile_is_a_sentence(folder):
    with staging(folder) as staged:
        shutil.rmtree(folder)
        with pytest.raises(OutputError, match="could not be replaced"):
            move_into_place(staged, NAMES, folder)
    assert not folder.exists()
