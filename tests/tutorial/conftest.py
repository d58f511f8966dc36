"""What a newcomer has after the course: a folder with pictures, the program, and what it saved."""

import csv
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROGRAM = Path(__file__).with_name("notes.py")
PARTS = {"train": 900, "test": 200}


@dataclass(frozen=True)
class Course:
    """The folder, and the accuracy that the program printed."""

    folder: Path
    accuracy: float


def mnist(part, count):
    """Return the first images and labels of MNIST's own files, or ``None`` where they are not on this machine."""
    folder = Path(os.environ.get("LENETX_DATA", "")) / "MNIST" / "raw"
    name = {"train": "train", "test": "t10k"}[part]
    images, labels = folder / f"{name}-images-idx3-ubyte", folder / f"{name}-labels-idx1-ubyte"
    if not (os.environ.get("LENETX_DATA") and images.exists() and labels.exists()):
        return None
    levels = np.frombuffer(images.read_bytes()[16:], np.uint8).reshape(-1, 28, 28)
    return levels[:count], np.frombuffer(labels.read_bytes()[8:], np.uint8)[:count]


def digits(part, count):
    """Return scikit-learn's digits, drawn three times as large, in their place."""
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = slice(0, count) if part == "train" else slice(-count, None)
    levels = np.kron((found.images[rows] * 255 / 16).astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.pad(levels, ((0, 0), (2, 2), (2, 2))), found.target[rows]


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """The folder in which the program has run to its end."""
    folder = tmp_path_factory.mktemp("course")
    for part, count in PARTS.items():
        images, labels = mnist(part, count) or digits(part, count)
        (folder / part).mkdir()
        with (folder / f"{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", "label"])
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                Image.fromarray(image).save(folder / part / f"{number}.png")
                writer.writerow([f"{number}.png", label])
    shutil.copy(PROGRAM, folder)
    done = subprocess.run(
        [sys.executable, PROGRAM.name], cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return Course(folder, float(done.stdout))
