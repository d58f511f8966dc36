"""examples/watch_folder.py as a process, on a folder into which pictures come."""

import json
import os
import shutil
import signal
import time

import pytest


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "incoming"
    made.mkdir()
    return made


@pytest.fixture
def watch(program, root, model, folder):
    """The function that starts the program."""
    return lambda: program(root / "examples" / "watch_folder.py", model, folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pictures_are_labelled_as_they_come_until_a_signal(watch, folder, seven, number):
    shutil.copy(seven, folder / "there before.png")
    watching = watch()
    first = json.loads(watching.line())
    assert first == {"file": "there before.png", "label": "7", "probability": first["probability"]}
    shutil.copy(seven, folder / "new.PNG")
    assert json.loads(watching.line()) == first | {"file": "new.PNG"}
    assert watching.end(number) == (0, "", "")
    assert sorted(path.name for path in folder.iterdir()) == ["new.PNG", "there before.png"]


def test_what_cannot_be_read_is_a_sentence_and_the_next_picture_is_labelled(watch, folder, seven):
    watching = watch()
    (folder / "bad.png").write_bytes(seven.read_bytes()[:300])
    found = json.loads(watching.line())
    assert found["file"] == "bad.png"
    assert "The image 'bad.png' is damaged" in found["error"]
    shutil.copy(seven, folder)
    assert json.loads(watching.line())["label"] == "7"
    assert watching.end()[0] == 0


def slowly_written(path, content):
    """Write it over about two seconds, which are several looks; return the longest pause, in seconds."""
    longest, last = 0.0, time.monotonic()
    with path.open("wb") as file:
        for start in range(0, len(content), 80):
            file.write(content[start : start + 80])
            file.flush()
            now = time.monotonic()
            longest, last = max(longest, now - last), now
            time.sleep(0.2)
    return max(longest, time.monotonic() - last)


def test_a_picture_is_read_once_it_is_complete_and_again_when_it_changes(watch, folder, seven):
    whole = seven.read_bytes()
    watching = watch()
    for attempt in range(50):  # until one is written without a pause: the machine may be busy
        slow = folder / f"slow {attempt}.png"
        longest, told = slowly_written(slow, whole), []
        while "label" not in (told or [{}])[-1]:
            told.append(json.loads(watching.line()))
        assert {each["file"] for each in told} == {slow.name}
        if longest < 0.4:  # of the half second between two looks
            break
    assert [each["label"] for each in told] == ["7"]
    slow.write_bytes(b"no picture any more")
    assert "not a readable PNG" in json.loads(watching.line())["error"]
    (folder / "next.png").write_bytes(whole)
    assert json.loads(watching.line())["file"] == "next.png"  # and nothing more of the one that stayed as it was
    assert watching.end() == (0, "", "")


def test_other_files_folders_links_to_nothing_and_pipes_are_left_alone(watch, folder, seven):
    (folder / "notes.txt").write_text("no picture")
    (folder / "folder.png").mkdir()
    (folder / "link.png").symlink_to("nothing")
    os.mkfifo(folder / "pipe.png")
    (folder / "upload.png.part").write_bytes(seven.read_bytes())
    watching = watch()
    (folder / "upload.png.part").rename(folder / "upload.png")
    assert json.loads(watching.line())["file"] == "upload.png"
    assert watching.end() == (0, "", "")


def test_what_it_cannot_work_with_is_a_sentence(python, root, model, folder):
    script = root / "examples" / "watch_folder.py"
    for arguments, sentence in (
        ((folder / "no.onnx", folder), f"There is no model '{folder / 'no.onnx'}'.\n"),
        ((model, folder / "no"), f"{folder / 'no'}: No such file or directory.\n"),
        ((model,), "Usage: python watch_folder.py MODEL FOLDER\n"),
    ):
        done = python(script, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
