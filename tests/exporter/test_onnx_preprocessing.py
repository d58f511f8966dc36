"""The preprocessing in an ONNX graph has the bits of the runtime's, whatever the numbers are."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from lenetx.formats.onnx import preprocessing
from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.preprocess import normalise

NEARLY = 0.0039215686
"""Nearly 1/255: onnxruntime takes the quotient of the two for 1 and drops the multiplication."""


def spec_of(channels, padding, scale, mean, std):
    size = 16 + 2 * padding, 17 + 2 * padding
    numbers = padding, scale, mean, std
    return ModelSpec(
        "any", channels, *size, *numbers, ("a", "b"), "0" * 64, "tests", framing="stretch", polarity="as_is"
    )


def with_preprocessing(spec):
    """Return a model that returns what enters the network."""
    shape = ["batch", *spec.input_shape]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["logits"])],
        "none",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return preprocessing.add_preprocessing(model, spec)


def assert_same_bits(spec):
    frames = np.arange(2 * np.prod(spec.frame_shape)).reshape(2, *spec.frame_shape).astype(np.uint8)
    assert all({*column} == {*range(256)} for column in frames.reshape(-1, spec.channels).T.tolist())
    contents = with_preprocessing(spec).SerializeToString()
    session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    assert session.run(None, {"image": frames})[0].tobytes() == normalise(frames, spec).tobytes()


def is_kept(number):
    """Return whether onnxruntime does not take a number for 1 or 0, which it is not, and drop the operator."""
    return number in (0, 1) or np.float32(number) not in (0, 1)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_numbers(data):
    channels = data.draw(st.sampled_from([1, 3]))
    positive = (st.floats(1e-6, 1e6) | st.sampled_from([1 / 255, NEARLY, 0.3081, 0.5, 1e-30, 1e30])).filter(is_kept)
    means = st.floats(-1e3, 1e3) | st.sampled_from([0.0, 0.1307]) | st.integers(0, 255).map(lambda level: level / 255)
    some = [tuple(data.draw(each) for _ in range(channels)) for each in (means.filter(is_kept), positive)]
    try:
        spec = spec_of(channels, data.draw(st.integers(0, 3)), data.draw(positive), *some)
    except ArtifactError:
        assume(False)
    assert_same_bits(spec)


@pytest.mark.parametrize(
    ("channels", "mean", "std", "operators"),
    [
        (1, 0.1307, 0.3081, "Mul Add"),
        (1, 7 / 255, 0.2, "Mul Sub Div"),
        (1, 0.0, NEARLY, "Mul Sub Div"),
        (1, 0.1307, NEARLY, "Mul Sub Div"),
        (3, 0.1307, NEARLY, "Mul Add"),
    ],
)
def test_two_operators_unless_they_give_other_bits_or_one_would_be_dropped(channels, mean, std, operators):
    spec = spec_of(channels, 1, 1 / 255, (mean,) * channels, (std,) * channels)
    found = [node.op_type for node in with_preprocessing(spec).graph.node]
    assert " ".join(each for each in found if each in ("Mul", "Add", "Sub", "Div")) == operators
    assert_same_bits(spec)
