"""The preprocessing in an ONNX graph has the bits of the runtime's, whatever the numbers are."""

import numpy as np
import onnxruntime
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from lenetx.formats.onnx import preprocessing
from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.preprocess import normalise


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_bits_are_those_of_the_runtime_for_any_numbers(data):
    channels, padding = data.draw(st.sampled_from([1, 3])), data.draw(st.integers(0, 3))
    positive = st.floats(1e-6, 1e6) | st.sampled_from([1 / 255, 0.3081, 0.5, 1e-30, 1e30])
    means = st.floats(-1e3, 1e3) | st.sampled_from([0.0, 0.1307]) | st.integers(0, 255).map(lambda level: level / 255)
    try:
        spec = ModelSpec(
            "any",
            channels,
            16 + 2 * padding,
            17 + 2 * padding,
            padding,
            data.draw(positive),
            tuple(data.draw(means) for _ in range(channels)),
            tuple(data.draw(positive) for _ in range(channels)),
            ("a", "b"),
            "0" * 64,
            "tests",
            framing="stretch",
            polarity="as_is",
        )
    except ArtifactError:
        assume(False)
    frames = np.arange(2 * np.prod(spec.frame_shape)).reshape(2, *spec.frame_shape).astype(np.uint8)
    assert all({*column} == {*range(256)} for column in frames.reshape(-1, channels).T.tolist())
    value = helper.make_tensor_value_info
    shape = ["batch", *spec.input_shape]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["logits"])],
        "none",
        [value("image", TensorProto.FLOAT, shape)],
        [value("logits", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(
        preprocessing.add_preprocessing(model, spec).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert session.run(None, {"image": frames})[0].tobytes() == normalise(frames, spec).tobytes()
