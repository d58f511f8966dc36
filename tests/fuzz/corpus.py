"""Real files to start from: small ones, so that most of a change hits something that means something."""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import PIL.Image
import PIL.PngImagePlugin
from onnx import TensorProto, helper, numpy_helper

from lenetx_runtime import ModelSpec, SelfTest, native_file, ort_file
from lenetx_runtime.onnx_file import seal
from lenetx_runtime.spec import METADATA_KEY

SPEC = {
    "architecture": "tiny",
    "channels": 1,
    "height": 32,
    "width": 32,
    "padding": 2,
    "scale": 1 / 255,
    "mean": (0.1307,),
    "std": (0.3081,),
    "labels": ("a", "b", "c"),
    "weights_sha256": "ab" * 32,
    "producer": "tests",
    "content_sha256": "0" * 64,
}


def colours(width=23, height=17):
    levels = np.random.default_rng(7).integers(0, 256, (height, width, 4), np.uint8)
    levels[:5, :9, 3] = 0
    return PIL.Image.fromarray(levels)


def _saved(picture, file_format, **options):
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def images():
    """Return {name: bytes} of every format and most of the ways in which each keeps its pixels."""
    rgba = colours()
    rgb, grey, palette = rgba.convert("RGB"), rgba.convert("L"), rgba.convert("RGB").quantize(16)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    notes = PIL.PngImagePlugin.PngInfo()
    notes.add_text("Title", "seven")
    notes.add_text("Raw profile type exif", "\nexif\n 14\n" + b"Exif\0\0II*\0\x08\0\0\0".hex(), zip=True)
    notes.add_itxt("Comment", "seven " * 20, zip=True)
    wide = PIL.Image.fromarray(np.arange(150, dtype=np.uint16).reshape(10, 15) * 400)
    flat = PIL.Image.new("P", (16, 12), 3)
    flat.putpalette(bytes(range(48)))
    return {
        "grey.png": _saved(grey, "PNG"),
        "notes.png": _saved(grey, "PNG", pnginfo=notes, exif=exif, dpi=(72, 72)),
        "alpha.png": _saved(rgba, "PNG"),
        "palette.png": _saved(palette, "PNG", transparency=bytes(range(16))),
        "wide.png": _saved(wide, "PNG"),
        "bits.png": _saved(rgba.convert("1"), "PNG"),
        "animated.png": _saved(grey, "PNG", save_all=True, append_images=[grey.rotate(90)]),
        "grey.jpg": _saved(grey, "JPEG", exif=exif),
        "colour.jpg": _saved(rgb, "JPEG", quality=90, comment=b"seven", dpi=(72, 72)),
        "progressive.jpg": _saved(rgb, "JPEG", progressive=True),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "grey.bmp": _saved(grey, "BMP"),
        "colour.bmp": _saved(rgb, "BMP"),
        "palette.bmp": _saved(palette, "BMP"),
        "packed.bmp": packed_bmp(
            16, 12, bytes((16, 3, 0, 0)) * 11 + bytes((0, 4, 1, 2, 3, 4, 0, 2, 1, 0, 11, 5, 0, 1))
        ),
        "lossy.webp": _saved(rgb, "WEBP", quality=60),
        "lossless.webp": _saved(rgba, "WEBP", lossless=True, exif=exif),
        "animated.webp": _saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)], duration=40),
        "palette.gif": _saved(palette, "GIF", comment=b"seven"),
        "transparent.gif": _saved(palette, "GIF", transparency=3, interlace=1),
        "animated.gif": _saved(palette, "GIF", save_all=True, append_images=[flat], duration=40, loop=0),
    }


def packed_bmp(width, height, packed, depth=8):
    """Return a run-length encoded BMP file, which Pillow reads and does not write."""
    palette = bytes(range(256)) * 4 if depth == 8 else bytes(range(64))
    start = 14 + 40 + len(palette)
    sizes = (start + len(packed)).to_bytes(4, "little") + bytes(4) + start.to_bytes(4, "little")
    head = [40, width, height, 1 | depth << 16, 1 if depth == 8 else 2, len(packed), 2835, 2835, 0, 0]
    return b"BM" + sizes + b"".join(value.to_bytes(4, "little") for value in head) + palette + packed


def network():
    """Return a small ModelProto with a spec and a self-test, not yet sealed."""
    random = np.random.default_rng(28)
    kernel = random.normal(0, 0.3, (2, 1, 5, 5)).astype(np.float32)
    dense = random.normal(0, 0.2, (98, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["maps"], kernel_shape=[5, 5], strides=[2, 2], pads=[0] * 4),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "dense"], ["logits"], alpha=1.0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(dense, "dense")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    frames = np.zeros((1, 28, 28), np.uint8)
    test = SelfTest.of(frames, np.zeros((1, 3)), np.full((1, 3), 9.0))
    helper.set_model_props(model, {METADATA_KEY: ModelSpec(**SPEC, selftest=test).to_json()})
    onnx.checker.check_model(model)
    return model


def models():
    """Return {name: bytes} of sealed models; the first carries a self-test, the second is smaller."""
    whole = network()
    small = network()
    helper.set_model_props(small, {METADATA_KEY: ModelSpec(**SPEC).to_json()})
    return {name: seal(model.SerializeToString()) for name, model in (("whole.onnx", whole), ("small.onnx", small))}


def ort_models():
    """Return {name: bytes} of a small sealed model in ORT format, with an activation in its convolution."""
    model = network()
    helper.set_model_props(model, {METADATA_KEY: ModelSpec(**SPEC).to_json()})
    del model.graph.node[1]
    node = model.graph.node[0]
    node.op_type, node.domain, node.output[0] = "FusedConv", "com.microsoft", "active"
    node.attribute.append(helper.make_attribute("activation", "Relu"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ORT")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.ort"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return {path.name: ort_file.seal(path.read_bytes())}


def libraries():
    """Return {name: bytes} of a file that is read like a native library; there is no machine code in it."""
    record = {"graph": {}, "machine": "x86_64", "march": "x86-64-v3", "places": {"weight": 64}, "scratch": 64}
    return {"small.so": native_file.sealed(b"\x7fELF" + bytes(60), ModelSpec(**SPEC).to_json(), json.dumps(record))}


def specs():
    """Return {name: bytes} of spec texts."""
    whole, small = (onnx.load_from_string(data).metadata_props[0].value.encode() for data in models().values())
    return {"whole.json": whole, "small.json": small}


def selftests():
    """Return {name: bytes} of self-test texts."""
    return {"selftest.json": json.dumps(json.loads(specs()["whole.json"])["selftest"]).encode()}


def certificates():
    """Return {name: bytes} of the certificates of the reference model."""
    folder = Path(__file__).parents[2] / "artifacts" / "reference"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.verified.json"))}


CORPORA = {
    "image": images,
    "model": models,
    "ort": ort_models,
    "native": libraries,
    "spec": specs,
    "selftest": selftests,
    "certificate": certificates,
}
