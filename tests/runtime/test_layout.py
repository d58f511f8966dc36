"""Files whose input has other axes than [batch, channels, height, width], or whose logits have spare axes."""

from functools import partial

import numpy as np
import pytest
from onnx import helper, numpy_helper

from lenetx_runtime import ArtifactError, Classifier
from lenetx_runtime.layout import LAYOUTS
from lenetx_runtime.onnx_file import read_spec
from lenetx_runtime.ort import OrtBackend

NODES = {
    "nhwc": (["batch", 32, 32, 3], helper.make_node("Transpose", ["theirs"], ["image"], perm=[0, 3, 1, 2])),
    "flat": (["batch", 3072], helper.make_node("Reshape", ["theirs", "shape"], ["image"])),
    "nhw": (["batch", 32, 32], helper.make_node("Reshape", ["theirs", "shape"], ["image"])),
}
"""By layout: the axes of the input, and the node that makes an image of it."""


def arranged(build_model, layout, channels):
    """Return the tiny model behind a node that takes the given layout."""
    axes, node = NODES[layout]

    def edit(model):
        shape = numpy_helper.from_array(np.array([-1, channels, 32, 32], np.int64), "shape")
        if "shape" in node.input:
            model.graph.initializer.append(shape)
        model.graph.node.insert(0, node)
        sizes = [channels * 1024 if size == 3072 else channels if size == 3 else size for size in axes]
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("theirs", 1, sizes))

    colours = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "framing": "stretch", "polarity": "as_is", "padding": 0}
    fields = colours | {"channels": 3} if channels == 3 else {}
    build = partial(build_model, shape=(channels, 32, 32), **fields)
    return build(edit, layout=layout, input_name="theirs"), build()


@pytest.mark.parametrize(("layout", "channels"), [("nhwc", 3), ("nhwc", 1), ("flat", 3), ("nhw", 1)])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_inputs_are_arranged_as_the_file_takes_them(build_model, layout, channels, count):
    theirs, plain = arranged(build_model, layout, channels)
    spec = read_spec(theirs)
    assert spec.layout == layout
    inputs = np.random.default_rng(0).normal(size=(count, channels, 32, 32)).astype(np.float32)
    expected = OrtBackend(plain, read_spec(plain)).run(inputs)
    assert OrtBackend(theirs, spec).run(inputs).tobytes() == expected.tobytes()
    assert Classifier(theirs).logits(inputs).tobytes() == expected.tobytes()


def test_a_layout_that_is_not_the_graphs_is_refused(build_model):
    for layout in set(LAYOUTS) - {"nchw"}:
        model = build_model(layout=layout)
        with pytest.raises(ArtifactError, match="Its spec says"):
            OrtBackend(model, read_spec(model))


def with_spare_axes(axes, target):
    def edit(model):
        model.graph.node[-1].output[0] = "row"
        model.graph.initializer.append(numpy_helper.from_array(np.array(target, np.int64), "target"))
        model.graph.node.append(helper.make_node("Reshape", ["row", "target"], ["logits"]))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", 1, axes))

    return edit


@pytest.mark.parametrize("axes", [["batch", 10, 1, 1], ["batch", 1, 10]])
@pytest.mark.parametrize("count", [0, 3])
def test_logits_lose_their_spare_axes_of_one(build_model, sealed, spec, axes, count):
    model = build_model(with_spare_axes(axes, [-1, *axes[1:]]))
    inputs = np.random.default_rng(0).normal(size=(count, 1, 32, 32)).astype(np.float32)
    if count:  # the Reshape of this test has no rows to count
        assert (
            OrtBackend(model, read_spec(model)).run(inputs).tobytes() == OrtBackend(sealed, spec).run(inputs).tobytes()
        )
    assert Classifier(model).logits(inputs).shape == (count, 10)


def test_axes_that_are_no_row_of_logits_are_refused(build_model):
    model = build_model(with_spare_axes(["batch", 2, 5], [-1, 2, 5]))
    with pytest.raises(ArtifactError, match=r"its graph has .*\[2, 5\]"):
        OrtBackend(model, read_spec(model))
