"""The C function that frames a picture gives the runtime's frames, bit for bit."""

import ctypes
import dataclasses
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from sklearn.datasets import load_digits

from lenetx import data
from lenetx.formats.c.framing import framing_declaration, framing_source
from lenetx_runtime import InputError, ModelSpec
from lenetx_runtime.preprocess import decode, frame

from .conftest import STRICT

ROOT, EMPTY = Path(__file__).parents[3], -4
MNIST = ModelSpec("tiny", 1, 28, 28, 0, 1 / 255, (0.0,), (1.0,), ("a", "b"), "ab" * 32, "tests")
FILTERS = (PIL.Image.Resampling.NEAREST, PIL.Image.Resampling.BICUBIC, PIL.Image.Resampling.LANCZOS)
MAIN = """
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    int size[2];
    while (fread(size, sizeof(int), 2, stdin) == 2) {
        const size_t pixels = (size_t)size[0] * (size_t)size[1];
        uint8_t *grey = malloc(pixels), *frame = calloc(FRAME, 1);
        int8_t error;
        if (fread(grey, 1, pixels, stdin) != pixels) {
            return 1;
        }
        error = (int8_t)tiny_frame_image(grey, size[0], size[1], size[0], frame);
        fwrite(&error, 1, 1, stdout);
        fwrite(frame, 1, FRAME, stdout);
        free(grey);
        free(frame);
    }
    return 0;
}
"""


def filling(framing, size, channels=1, **fields):
    """Return a spec whose framing fills the frame."""
    return dataclasses.replace(
        MNIST,
        framing=framing,
        polarity="as_is",
        height=size[0],
        width=size[1],
        channels=channels,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        **fields,
    )


def source_of(spec):
    """Return a C file with what the framing expects from the header."""
    height, width = spec.frame_size
    return f"""
#include <stddef.h>
#include <stdint.h>
#define TINY_FRAME_HEIGHT {height}
#define TINY_FRAME_WIDTH {width}
#define TINY_FRAME_CHANNELS {spec.channels}
enum {{ TINY_OK = 0, TINY_ERROR_NULL = -1, TINY_ERROR_SIZE = -2, TINY_ERROR_STRIDE = -3, TINY_ERROR_EMPTY = {EMPTY} }};
#ifdef __cplusplus
extern "C"
#endif
{framing_declaration(spec, "tiny")}
{framing_source(spec, "tiny")}"""


def check_run(compiler, *arguments):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    subprocess.run([compiler, *map(str, arguments)], check=True)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The function that compiles the framing of a spec and returns its C function."""

    def build(spec, *options):
        folder = tmp_path_factory.mktemp("c")
        (folder / "tiny.c").write_text(source_of(spec), encoding="ascii")
        check_run("gcc", *(options or ("-O2",)), "-shared", "-fPIC", "-o", folder / "tiny.so", folder / "tiny.c")
        function = ctypes.CDLL(str(folder / "tiny.so")).tiny_frame_image
        function.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
        return function

    return build


@pytest.fixture(scope="session")
def mnist(library):
    return library(MNIST)


def framed(function, image, spec=MNIST):
    """Return the frame that C makes, or its error."""
    image = image if image.strides[1] == 1 and image.strides[0] > 0 else np.ascontiguousarray(image)
    made = np.zeros(spec.frame_shape, np.uint8)
    error = function(image.ctypes.data, image.shape[1], image.shape[0], image.strides[0], made.ctypes.data)
    return error or made


def expected(image, spec=MNIST):
    """Return the runtime's frame, or the error of C for a picture that the runtime rejects as blank."""
    try:
        return frame(decode(image, spec.channels), spec)
    except InputError:
        return EMPTY


def assert_equal(function, images, spec=MNIST):
    for number, image in enumerate(images):
        name = f"picture {number}, {image.shape}"
        np.testing.assert_array_equal(framed(function, image, spec), expected(image, spec), name)


def moved(digit, random):
    """Return a digit on a canvas of any size, enlarged, dark on light or light on dark."""
    width = int(random.integers(14, 400))
    size = (width, int(width * random.uniform(0.7, 1.4)))
    ink = np.asarray(PIL.Image.fromarray(digit).resize(size, FILTERS[random.integers(len(FILTERS))])) / 255
    canvas = np.zeros(ink.shape + random.integers(0, 200, 2))
    top, left = (int(random.integers(room + 1)) for room in np.subtract(canvas.shape, ink.shape))
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    paper, pen = ((0, 255), (255, 0), (30, 170), (200, 90))[random.integers(4)]
    return np.rint(paper + (pen - paper) * canvas).astype(np.uint8)


def pictures(count, seed=0):
    """Yield small pictures: of noise, of two levels, of one level, and boxes on plain paper."""
    random = np.random.default_rng(seed)
    for number in range(count):
        height, width = random.integers(1, 41, 2)
        if number % 4 < 2:
            height = min(height, 27)  # larger ones are taken for photos
            levels = random.integers(0, 256, 256 if number % 4 else 2)
            yield random.choice(levels, (height, width)).astype(np.uint8)
            continue
        image = np.full((height, width), random.integers(256), np.uint8)
        for _ in range(random.integers(1, 4) if number % 4 == 3 else 0):
            top, left = random.integers(height), random.integers(width)
            image[top : top + random.integers(1, 41), left : left + random.integers(1, 41)] = random.integers(256)
        yield image


def drawings():
    """Yield what surrounds a digit in a drawing or a scan, and much larger pictures."""
    for width, height in ((200, 240), (640, 480), (90, 60), (60, 1500)):
        page = PIL.Image.new("L", (width, height), 255)
        corners = [(width * 0.3, height * 0.3), (width * 0.7, height * 0.3), (width * 0.4, height * 0.7)]
        PIL.ImageDraw.Draw(page).line(corners, 0, width // 15)
        seven = np.asarray(page)
        yield from (seven, 255 - seven, np.pad(seven, ((0, height // 20), (width // 20, 0)), constant_values=30))
        speck, dash, edge = (3, 3, 7, 7), (0, height // 2, 9, height // 2 + 9), (0, 0, width // 9, height)
        outline = (width * 0.15, height * 0.15, width * 0.85, height * 0.85)
        for boxes in ((speck,), (speck, dash), (edge,), (speck, dash, edge), (outline,), (outline, dash)):
            spoiled = page.copy()
            pen = PIL.ImageDraw.Draw(spoiled)
            for box in boxes:
                pen.rectangle(box, None if box is outline else 20, 0, max(2, width // 40))
            yield np.asarray(spoiled)
    yield np.kron(np.asarray(PIL.Image.open(ROOT / "examples" / "seven.png").convert("L")), np.ones((9, 9), np.uint8))


@pytest.mark.parametrize(
    "flags",
    [["-std=c99", "-O0"], ["-std=gnu11", "-O3", "-march=native"], ["-std=c99", "-DTINY_FRAME_MOST_PIXELS=40"]],
    ids=" ".join,
)
def test_small_pictures_have_the_runtimes_frames_or_are_empty_for_both(library, flags):
    assert_equal(library(MNIST, *flags), pictures(800))


def test_enlarged_and_moved_digits_have_the_runtimes_frames(mnist):
    random = np.random.default_rng(1)
    digits = np.pad((load_digits().images[:300] * (255 / 16)).astype(np.uint8), ((0, 0), (3, 3), (3, 3)))
    assert_equal(mnist, (moved(digit, random) for digit in digits))


def test_enlarged_and_moved_digits_of_mnist_have_the_runtimes_frames(mnist, mnist_root):
    random = np.random.default_rng(2)
    assert_equal(mnist, (moved(digit, random) for digit in data.load("mnist", mnist_root).test.images[:300]))


@pytest.mark.slow
def test_10000_digits_have_the_runtimes_frames(mnist, mnist_root):
    random = np.random.default_rng(3)
    assert_equal(mnist, (moved(digit, random) for digit in data.load("mnist", mnist_root).test.images))


def test_drawings_with_edges_specks_and_outlines_have_the_runtimes_frames(mnist):
    files = sorted((ROOT / "tests" / "golden").glob("*.png"))
    assert files
    assert_equal(mnist, [*drawings(), *(decode(file) for file in files)])


def test_a_part_of_a_larger_picture_is_framed(mnist):
    page = np.full((90, 100), 255, np.uint8)
    page[20:70, 40:50] = 0
    page[:, 80:] = 7
    assert_equal(mnist, [page[5:80, 3:77]])


def test_a_frame_of_mnist_passes_through_and_a_faint_one_is_stretched(mnist):
    digit = np.pad((load_digits().images[3] * (255 / 16)).astype(np.uint8).repeat(2, 0).repeat(2, 1), 6)
    np.testing.assert_array_equal(framed(mnist, digit), digit)
    assert_equal(mnist, [digit // 3, digit // 255, 255 - digit])


@pytest.mark.parametrize("interpolation", ["lanczos", "bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("framing", "size", "fields"),
    [
        ("stretch", (28, 28), {}),
        ("stretch", (70, 33), {"channels": 3}),
        ("stretch", (20, 24), {"resize": 33}),
        ("letterbox", (28, 28), {}),
        ("letterbox", (33, 70), {"channels": 3}),
        ("letterbox", (1, 2), {}),
    ],
)
def test_pictures_that_fill_the_frame_have_the_runtimes_bits(library, framing, size, fields, interpolation):
    spec = filling(framing, size, interpolation=interpolation, **fields)
    random = np.random.default_rng(5)
    sizes = [*random.integers(1, 90, (30, 2)), size, (1, 1), (12000, 2), (3, 20000), (300, 280)]
    function = library(spec)
    assert_equal(function, [random.integers(0, 256, shape).astype(np.uint8) for shape in sizes], spec)


def test_a_framing_without_c_has_no_source():
    spec = filling("crop", (24, 24), resize=28)
    assert framing_source(spec, "tiny") is framing_declaration(spec, "tiny") is None


@pytest.mark.parametrize("spec", [MNIST, filling("letterbox", (32, 32))], ids=lambda spec: spec.framing)
def test_what_is_no_picture_is_an_error(library, spec):
    function = library(spec)
    image = np.zeros(100, np.uint8).ctypes.data
    made = np.full(spec.frame_shape, 9, np.uint8)
    sizes = [(0, 5, 5, -2), (5, 0, 5, -2), (-1, 5, 5, -2), (5, -(2**31), 5, -2), (2**15, 1, 2**15, -2), (5, 5, 4, -3)]
    for width, height, stride, error in sizes:
        assert function(image, width, height, stride, made.ctypes.data) == error
    assert function(None, 5, 5, 5, made.ctypes.data) == function(image, 5, 5, 5, None) == -1
    assert (made == 9).all()


def test_blank_pictures_are_empty(mnist):
    for shape in ((1, 1), (28, 28), (40, 30), (300, 400)):
        for level in (0, 100, 255):
            assert framed(mnist, np.full(shape, level, np.uint8)) == EMPTY


SPECS = {
    "mnist": MNIST,
    "stretch": filling("stretch", (40, 32), 3, interpolation="bilinear"),
    "cut": filling("stretch", (24, 24), resize=32, interpolation="bicubic"),
    "letterbox": filling("letterbox", (64, 48)),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_compiles_without_warnings_as_c_and_as_cpp(tmp_path, spec, compiler):
    (tmp_path / "tiny.c").write_text(source_of(spec), encoding="ascii")
    check_run(compiler, "-std=c99", "-O2", *STRICT, "-fsyntax-only", tmp_path / "tiny.c")
    check_run(compiler, "-x", "c++", "-std=c++17", "-O2", *STRICT, "-fsyntax-only", tmp_path / "tiny.c")


@pytest.mark.parametrize("spec", [MNIST, SPECS["letterbox"]], ids=lambda spec: spec.framing)
def test_no_picture_is_read_beyond_its_pixels(tmp_path, spec):
    size = int(np.prod(spec.frame_shape))
    (tmp_path / "tiny.c").write_text(source_of(spec) + MAIN.replace("FRAME", str(size)), encoding="ascii")
    program = tmp_path / "program"
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    check_run("gcc", "-std=c99", "-O1", *checks, "-o", program, tmp_path / "tiny.c")
    noise = np.random.default_rng(6).integers(0, 256, (97, 310)).astype(np.uint8)
    images = [*pictures(300, 7), *drawings(), noise, noise.T]  # the last two have frames of their own, as photos have
    sent = b"".join(struct.pack("2i", *image.shape[::-1]) + image.tobytes() for image in images)
    done = subprocess.run([program], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    answers = np.frombuffer(done.stdout, np.uint8).reshape(len(images), 1 + size)
    for image, answer in zip(images[:-2], answers, strict=False):
        frame_or_error = expected(image, spec)
        if isinstance(frame_or_error, int):
            assert answer[:1].view(np.int8) == EMPTY
        else:
            np.testing.assert_array_equal(answer[1:], frame_or_error.ravel())
