"""A small valid model, made with the onnx package alone, and a picture, for every test of the runtime."""

import io
import json
import os

import numpy as np
import onnx
import PIL.Image
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lenetx_runtime import ModelSpec, SelfTest
from lenetx_runtime.native_file import sealed as sealed_library
from lenetx_runtime.onnx_file import seal
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import METADATA_KEY, POLARITIES

from .native_networks import NETWORK, record

SPEC_FIELDS = {
    "architecture": "tiny",
    "channels": 1,
    "height": 32,
    "width": 32,
    "padding": 2,
    "scale": 1 / 255,
    "mean": (0.1307,),
    "std": (0.3081,),
    "labels": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "weights_sha256": "ab" * 32,
    "producer": "tests",
    "content_sha256": "0" * 64,
}


def _build_model(edit=None, sealed=True, shape=(1, 32, 32), **fields):
    """Return the bytes of Conv →4, Relu, Flatten, Gemm →10; ``edit`` may change the ModelProto before it is sealed."""
    random = np.random.default_rng(1998)
    channels, height, width = shape
    kernel = random.normal(0, 0.3, (4, channels, 3, 3)).astype(np.float32)
    dense = random.normal(0, 0.1, (4 * (height // 3) * (width // 3), 10)).astype(np.float32)
    batch = fields.get("batch", "dynamic")
    rows = "batch" if batch == "dynamic" else batch
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["maps"], strides=[3, 3]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("Flatten", ["active"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [rows, channels, height, width])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, 10])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(dense, "dense")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    helper.set_model_props(model, {METADATA_KEY: ModelSpec(**(SPEC_FIELDS | fields)).to_json()})
    if edit is not None:
        edit(model)
    data = model.SerializeToString(deterministic=True)
    return seal(data) if sealed else data


def _encode(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _as_array(image):
    """Return the array that a user of numpy would have for a Pillow image of any mode."""
    if image.mode in ("P", "LA", "PA"):
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return np.asarray(image)


@pytest.fixture(scope="session")
def spec_fields():
    """The arguments of a valid ModelSpec; change a copy."""
    return dict(SPEC_FIELDS)


@pytest.fixture(scope="session")
def spec():
    return ModelSpec(**SPEC_FIELDS)


@pytest.fixture(scope="session")
def spec_for():
    """The function that gives a valid spec: ``spec_for(framing, channels, height, width, padding=0)``."""

    def make(framing, channels, height, width, padding=0):
        shape = {"channels": channels, "height": height, "width": width, "padding": padding}
        numbers = {"mean": (0.48, 0.45, 0.4)[:channels], "std": (0.23, 0.22, 0.26)[:channels]}
        return ModelSpec(**SPEC_FIELDS | shape | numbers | {"framing": framing, "polarity": POLARITIES[framing]})

    return make


@pytest.fixture(scope="session")
def build_model():
    """The function that builds a model: ``build_model(edit=None, sealed=True, shape=(1, 32, 32), **spec fields)``."""
    return _build_model


@pytest.fixture(scope="session")
def selftest(sealed, spec):
    """A self-test of the tiny model: four images of noise, the logits of onnx's reference, and limits for float32."""
    frames = np.random.default_rng(4).integers(0, 256, (4, *spec.frame_size), np.uint8)
    [logits] = ReferenceEvaluator(onnx.load_from_string(sealed)).run(None, {"image": normalise(frames, spec)})
    return SelfTest.of(frames, logits.astype(np.float64), np.full(logits.shape, 1e-4))


@pytest.fixture(scope="session")
def sealed():
    """The bytes of the sealed model with a dynamic batch axis."""
    return _build_model()


@pytest.fixture
def model_path(tmp_path, sealed):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(sealed)
    return path


@pytest.fixture(scope="session")
def encode():
    """The function that gives the bytes of an image file: ``encode(pillow_image, format, **options)``."""
    return _encode


@pytest.fixture(scope="session")
def as_array():
    return _as_array


@pytest.fixture(scope="session")
def seven():
    """A seven as MNIST would hold it: uint8[28, 28], light ink on a black border."""
    picture = np.zeros((28, 28), np.uint8)
    picture[6:9, 8:20] = 230
    for row in range(9, 23):
        left = 18 - (row - 9) // 2
        picture[row, left : left + 3] = (120, 255, 160)
    picture.flags.writeable = False
    return picture


@pytest.fixture(scope="session")
def pictures(seven):
    """Nine uint8 images that the tiny model tells apart: the seven turned, moved, enlarged and inverted."""
    wide = np.pad(np.kron(seven, np.ones((3, 3), np.uint8)), ((0, 20), (30, 0)))
    turned = [np.ascontiguousarray(np.rot90(seven, turns)) for turns in range(4)]
    return [*turned, np.roll(seven, 3, axis=1), wide, 255 - wide, np.ascontiguousarray(wide[::-1]), wide // 2]


@pytest.fixture(scope="session")
def colourful():
    """An RGBA Pillow image, 23 wide and 17 high, with many colours, every kind of alpha, and no symmetry."""
    random = np.random.default_rng(7)
    levels = random.integers(0, 256, (17, 23, 4), np.uint8)
    levels[:5, :9, 3] = 0
    levels[5:10, :, 3] = 255
    return PIL.Image.fromarray(levels)


@pytest.fixture
def doctor(python):
    """The function that runs ``doctor`` with folders first on the path; gives its exit code and its JSON document."""

    def run(*folders):
        path = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")])
        done = python("-m", "lenetx_runtime", "doctor", "--json", PYTHONPATH=path)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    return run


@pytest.fixture
def package(tmp_path):
    """The function that puts a package of that name and code in a folder of its own, which it gives."""

    def make(name, code):
        folder = tmp_path / f"instead of {name}"
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(code)
        return folder

    return make


@pytest.fixture(scope="session")
def code(machine_code):
    """The machine code of a tiny network."""
    return machine_code(NETWORK.replace("FACTOR", "2"))


@pytest.fixture(scope="session")
def library(code, spec):
    """The same as a native library."""
    return sealed_library(code, spec.to_json(), record())


@pytest.fixture
def planted(machine_code, planting, spec):
    """A library that leaves a file when it is loaded, and the path of that file."""
    path, text = planting
    return sealed_library(machine_code(text + NETWORK.replace("FACTOR", "3")), spec.to_json(), record()), path
