"""Pictures with their labels, and programs that really run."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "artifacts" / "reference" / "lenet5.onnx"
SEVEN = ROOT / "examples" / "seven.png"


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def model():
    return MODEL


@pytest.fixture(scope="session")
def seven():
    return SEVEN


@pytest.fixture
def pictures(tmp_path):
    """A folder of 40 handwritten digits, dark on light and of several sizes, and the label of each by its name."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    digits, labels = load_digits(), {}
    for number in range(40):
        size = 2 + number % 7
        levels = 255 - np.kron(digits.images[number] * 255 / 16, np.ones((size, size))).astype(np.uint8)
        name = f"{number:02}.png"
        PIL.Image.fromarray(levels).save(folder / name)
        labels[name] = str(digits.target[number])
    return folder, labels


class Program:
    """A program of ``examples/`` that runs.

    Args:
        arguments: what follows ``python``.
        environment: what the program has in its environment beside that of the tests.
    """

    def __init__(self, *arguments, **environment):
        command = [sys.executable, *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._watch = threading.Timer(280, self._kill_all)  # a line that never comes must not hold up the tests
        self._watch.start()

    def line(self):
        """Wait for a line on stdout."""
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line

    def error_line(self, part):
        """Wait for a line on stderr that has a part."""
        for line in self.process.stderr:
            if part in line:
                return line
        raise AssertionError(part)

    def end(self, number=signal.SIGTERM):
        """Send a signal and give the exit code and what else was written on stdout and stderr."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=250)
        return self.process.returncode, out, errors

    def kill(self):
        self._watch.cancel()
        self._kill_all()
        self.process.communicate(timeout=250)

    def _kill_all(self):
        """Also the processes that it has started, which would keep its pipes open."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def program():
    """The function that starts a ``Program``; it is killed after the test's module, if it still runs."""
    started = []

    def start(*arguments, **environment):
        started.append(Program(*arguments, **environment))
        return started[-1]

    yield start
    for each in started:
        each.kill()
