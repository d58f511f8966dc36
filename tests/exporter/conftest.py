"""Exports that several test files look at, and damage of every kind to the bytes of a file."""

import functools
import io
import zipfile

import numpy as np
import PIL.Image
import pytest

from lenetx.data import archive
from lenetx.formats.network import Network


@pytest.fixture(scope="session")
def exported(checkpoints):
    """The function that exports a trained network once per set of options and gives the bytes."""
    from lenetx import formats

    @functools.cache
    def export(name, architecture="lenet5", *, batch="dynamic", **options):
        if name in ("openvino", "executorch"):
            pytest.importorskip(name)
        return formats.get(name).export(Network(checkpoints[architecture]), batch=batch, **options)

    return export


@pytest.fixture
def records(request, exported):
    """The records of a trained network's archive, in the format that the test's module is about."""
    return archive.unpack(exported(request.module.FORMAT))


@pytest.fixture
def opened(request, tmp_path):
    """The function that writes records, or the bytes of an archive, to a file of that format and opens it."""
    from lenetx import formats

    def run(contents):
        path = tmp_path / f"changed{formats.suffix(request.module.FORMAT)}"
        path.write_bytes(contents if isinstance(contents, bytes) else archive.pack(contents))
        return formats.open_artifact(path)

    return run


@pytest.fixture(scope="session")
def flipped():
    """The function that gives a copy of some bytes with one bit turned over."""

    def flip(data, position, bit):
        changed = bytearray(data)
        changed[position] ^= 1 << bit
        return bytes(changed)

    return flip


@pytest.fixture(scope="session")
def tender_spots():
    """The function that gives positions all over an archive: its headers, its directory, and samples of its records."""

    def choose(data, samples):
        random = np.random.default_rng(1998)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries, directory = archive.infolist(), archive.start_dir
        headers = {entry.header_offset + offset for entry in entries for offset in range(30 + len(entry.filename))}
        chosen = set(random.choice(sorted(headers), samples).tolist())
        chosen |= set(random.integers(directory, len(data), samples).tolist())
        chosen |= {entry.header_offset + 30 + len(entry.filename) + entry.file_size // 2 for entry in entries}
        chosen |= set(random.integers(0, len(data), samples).tolist())
        return [(position, int(random.integers(8))) for position in sorted(chosen)]

    return choose


@pytest.fixture
def plain(tmp_path, checkpoint, saved):
    """A file of a lenet5's weights alone."""
    path = tmp_path / "plain.pth"
    path.write_bytes(saved(dict(checkpoint.state_dict)))
    return path


LABELS = ("cat", "dog")


@pytest.fixture
def pictures(tmp_path):
    """A folder with ``0.png`` to ``19.png``, each of its own size and grey level, those of odd number in colour."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        levels = np.full((5 + number, 7, 3), 10 * number, np.uint8)
        PIL.Image.fromarray(levels).convert("RGB" if number % 2 else "L").save(folder / f"{number}.png")
    return folder


@pytest.fixture
def table(tmp_path):
    """The function that writes ``labels.csv`` and gives its path."""

    def write(content, name="labels.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def rows(label=lambda number: LABELS[number % 2], count=20):
    return "".join(f"{number}.png,{label(number)}\n" for number in range(count))
