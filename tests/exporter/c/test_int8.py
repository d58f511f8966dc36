"""C files in int8: their integers are those of the numpy simulation, bit for bit, and those are the QDQ graph's."""

import ctypes
import fractions
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetx import data
from lenetx.formats import get
from lenetx.formats.c import companion
from lenetx.formats.c.compile import compilers, library, write_sources
from lenetx.formats.c.int8.fixed import fixed, rounded
from lenetx.formats.c.int8.words import ROUNDED
from lenetx.formats.c.reading import read
from lenetx.formats.network import Network
from lenetx.quantization.calibration import sample
from lenetx.quantization.rounding import measure, quantized
from lenetx_runtime.preprocess import normalise

from .int8_networks import RANDOM, Clipped, Joined, Residual, export, export_own

STRICT = (
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-c",
    "-o",
    "x.o",
)


def check_same_integers(artifact, inputs):
    """Require that all programs and the simulation agree, and that the simulation computes the graph."""
    logits = artifact.evaluate(inputs)
    assert len(artifact.runs) == 3 * len(compilers()) + 1
    for run in artifact.runs:
        assert run.open().run(inputs).tobytes() == logits.tobytes(), run.name
    some, program = inputs[:40], artifact.reduced.program
    right = measure(program, some)
    assert (np.abs(logits[:40] - right.exact) <= right.limits).all()
    integers = artifact.reduced.integers(some)
    assert {name: values.dtype for name, values in integers.items()} == dict.fromkeys(program.quantized, np.int8)
    assert [layer.name for layer in quantized(program, some, integers) if layer.wrong] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "lenet5-3x3", "lenet5-1998"])
def test_built_in_networks_compute_the_simulations_integers(built_in, opened, name):
    artifact = opened(built_in[name])
    frames = data.load("digits").test.framed(artifact.artifact.spec).images
    hard = (
        np.random.default_rng(1).normal(size=(140, *artifact.artifact.spec.input_shape))
        * np.logspace(-40, 30, 140)[:, None, None, None]
    )
    inputs = np.concatenate([normalise(frames, artifact.artifact.spec), hard.astype(np.float32)])
    assert len(inputs) == 500
    check_same_integers(artifact, inputs)


@pytest.mark.parametrize(
    "kind", [Residual, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (Joined, Clipped))]
)
def test_other_operators_compute_the_simulations_integers(opened, kind):
    check_same_integers(opened(export_own(kind)), RANDOM[:60])


@pytest.mark.slow
def test_ten_thousand_images_of_mnist(mnist_root, checkpoint, opened):
    mnist = data.load("mnist", root=mnist_root)
    artifact = opened(export(Network(checkpoint), sample(mnist, checkpoint.spec)))
    inputs = normalise(mnist.test.framed(checkpoint.spec).images, checkpoint.spec)
    logits = artifact.evaluate(inputs)
    assert len(logits) == 10_000
    for run in artifact.runs:
        assert run.open().run(inputs).tobytes() == logits.tobytes(), run.name


@pytest.mark.parametrize("name", ["lenet5", "lenet5-1998"])
def test_a_frame_gets_the_logits_of_its_input_and_no_float_is_computed_before_them(built_in, name):
    source = read(built_in[name].decode())
    prefix = source.name
    built = library(source, compilers()[0], ("-O2",))
    spec, scratch = source.spec, ctypes.create_string_buffer(1 << 14)
    frames = data.load("digits").test.framed(spec).images[:50]
    inputs = normalise(frames, spec)
    one, other = np.zeros((2, 10), np.float32)
    for frame, image in zip(frames, inputs, strict=True):
        index = built[f"{prefix}_predict_frame"](frame.tobytes(), ctypes.c_void_p(one.ctypes.data), scratch)
        assert built[f"{prefix}_logits"](image.tobytes(), ctypes.c_void_p(other.ctypes.data), scratch) == 0
        assert one.tobytes() == other.tobytes()
        assert index == int(one.argmax())
    assert built[f"{prefix}_selftest"](scratch) == 0
    assert built[f"{prefix}_logits"](image.tobytes(), ctypes.c_void_p(other.ctypes.data), None) == -1
    program = source.text.partition("/* 2. Program */")[2].partition(f"static int8_t {prefix}_quantized(")[0]
    assert program.count("(float)") == 1
    assert "/* 2. Program */" in source.text


@pytest.mark.parametrize(
    "kind", [None, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (Residual, Joined, Clipped))]
)
def test_it_compiles_without_a_warning_as_c_and_as_cpp(built_in, tmp_path, kind):
    contents = built_in["lenet5"] if kind is None else export_own(kind)
    source = read(contents.decode())
    write_sources(tmp_path, source)
    for compiler, standard in (("gcc", "c99"), ("clang", "c99"), ("g++", "c++17"), ("clang++", "c++17")):
        if shutil.which(compiler):
            language = ["-x", "c++"] * compiler.endswith("++")
            command = [compiler, f"-std={standard}", "-O2", *STRICT, "-c", "-o", "x.o", *language, f"{source.stem}.c"]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


def test_it_needs_little_memory_and_includes_the_header_that_is_published_beside_it(checkpoint, built_in):
    images = sample(data.load("digits"), checkpoint.spec, images=100)
    named = get("c").export(Network(checkpoint), precision="int8", sample=images, stem="lenet5.int8")
    assert b'#include "lenet5.int8.h"' in named
    assert "int lenet5_int8_logits(" in companion(named).decode()
    assert "#define LENET5_INT8_SCRATCH_BYTES 2200 " in companion(built_in["lenet5"]).decode()


@given(st.floats(2.0**-40, 2.0**29), st.integers(-(2**31) + 1, 2**31 - 1))
def test_a_rescaled_sum_is_the_exact_one_but_near_a_tie(ratio, total):
    factor, shift = fixed(ratio)
    assert 0 <= factor < 2**31
    found = (total * factor + (1 << (shift - 1))) >> shift
    exact = fractions.Fraction(ratio) * total
    distance = abs(exact - (exact.numerator // exact.denominator) - fractions.Fraction(1, 2))
    if abs(found - round(exact)) and abs(exact) < 2**20:
        assert abs(found - round(exact)) == 1
        assert distance <= abs(exact) * fractions.Fraction(1, 2**30)


def test_a_ratio_that_does_not_fit_is_none():
    assert fixed(2.0**30) is None
    assert fixed(2.0**-100) == (0, 62)


def test_rounding_in_c_is_that_of_the_simulation(tmp_path):
    """Negative numbers, ties, and the ends of the range, with shifts of all sizes."""
    text = "#include <stdint.h>\n" + ROUNDED.replace("static int8_t P_", "int8_t ")
    (tmp_path / "a.c").write_text(text)
    command = [compilers()[0], "-shared", "-fPIC", "-O2", "-o", "a.so", "a.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    call = ctypes.CDLL(str(tmp_path / "a.so")).rounded
    call.argtypes, call.restype = [ctypes.c_int64, ctypes.c_int, ctypes.c_int], ctypes.c_int8
    random = np.random.default_rng(0)
    for shift in range(1, 63):
        small = random.integers(-300, 300, 40) * (1 << (shift - 1)) if shift < 53 else np.zeros(1, np.int64)
        near = np.concatenate([small, small + 1, small - 1, random.integers(-(2**62) + 1, 2**62, 20), [2**62 - 1]])
        right = rounded(near.astype(np.int64), shift, -7)
        assert [call(int(value), shift, -7) for value in near] == right.tolist()


def test_the_same_weights_give_the_same_bytes(built_in, checkpoint):
    again = export(Network(checkpoint), sample(data.load("digits"), checkpoint.spec, images=100))
    assert again == built_in["lenet5"]
