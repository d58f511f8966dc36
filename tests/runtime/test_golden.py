"""Committed pictures give the committed frames and inputs, to the bit, on every road into the runtime."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import decode, frame, normalise

GOLDEN = Path(__file__).parents[1] / "golden"
PICTURES = sorted(path.name for path in GOLDEN.iterdir() if path.suffix in (".png", ".bmp", ".gif", ".webp"))


@pytest.fixture(scope="module")
def golden():
    """Every picture's (frame, input) by its name."""
    with np.load(GOLDEN / "expected.npz") as stored:
        return {
            name: (levels, values)
            for name, levels, values in zip(stored["names"], stored["frames"], stored["inputs"], strict=True)
        }


@pytest.fixture(scope="module")
def golden_spec():
    return ModelSpec.from_json((GOLDEN / "spec.json").read_text(encoding="ascii"))


def test_every_committed_picture_has_its_golden_values(golden):
    assert sorted(golden) == PICTURES
    assert len(PICTURES) >= 10
    for levels, values in golden.values():
        assert (levels.shape, levels.dtype) == ((28, 28), np.uint8)
        assert (values.shape, values.dtype) == ((1, 32, 32), np.float32)


@pytest.mark.parametrize("road", ["path", "bytes", "pillow", "array"])
@pytest.mark.parametrize("name", PICTURES)
def test_every_road_gives_the_golden_values_to_the_bit(golden, golden_spec, as_array, name, road):
    path = GOLDEN / name
    with PIL.Image.open(path) as opened:
        given = {"path": path, "bytes": path.read_bytes(), "pillow": opened, "array": as_array(opened)}[road]
        framed = frame(decode(given), golden_spec)
    levels, values = golden[name]
    assert framed.tobytes() == levels.tobytes()
    assert normalise(framed[None], golden_spec)[0].tobytes() == values.tobytes()


def test_the_generator_reproduces_what_is_committed(tmp_path):
    """Image files may be packed differently by another Pillow; their pixels and the arrays may not differ."""
    subprocess.run([sys.executable, GOLDEN / "make_golden.py", tmp_path], check=True, timeout=250)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*PICTURES, "expected.npz", "spec.json"])
    assert (tmp_path / "spec.json").read_bytes() == (GOLDEN / "spec.json").read_bytes()
    with np.load(tmp_path / "expected.npz") as made, np.load(GOLDEN / "expected.npz") as stored:
        assert sorted(made) == sorted(stored)
        for key in stored:
            np.testing.assert_array_equal(made[key], stored[key])
    for name in PICTURES:
        np.testing.assert_array_equal(decode(tmp_path / name), decode(GOLDEN / name))


def test_the_golden_files_stay_small():
    assert sum(path.stat().st_size for path in GOLDEN.iterdir() if path.is_file()) < 200 * 1024
