"""Models that take uint8 frames and normalise them in their graph."""

import dataclasses
import pickle

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lenetx_runtime import ArtifactError, Classifier, InputError, ModelSpec
from lenetx_runtime.backend import run_in_batches
from lenetx_runtime.onnx_file import read_spec
from lenetx_runtime.opening import _works
from lenetx_runtime.ort import OrtBackend
from lenetx_runtime.preprocess import normalise


def take_frames(model):
    """Normalise 28×28 frames in the graph, by the numbers of the tests' spec."""
    graph = model.graph
    numbers = {
        "axes": np.array([1]),
        "scale": np.array(1 / 255),
        "mean": np.array(0.1307),
        "std": np.array(0.3081),
        "pads": np.array([0, 0, 2, 2] * 2),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["image", "axes"], ["planes"]),
        helper.make_node("Cast", ["planes"], ["levels"], to=TensorProto.DOUBLE),
        helper.make_node("Pad", ["levels", "pads"], ["padded"]),
        helper.make_node("Mul", ["padded", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["wide"]),
        helper.make_node("Cast", ["wide"], ["inputs"], to=TensorProto.FLOAT),
    ]
    graph.node[0].input[0] = "inputs"
    own = [*graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *own])
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in numbers.items())
    rows = graph.input[0].type.tensor_type.shape.dim[0]
    axes = [rows.dim_param or rows.dim_value, 28, 28]
    graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.UINT8, axes))


def add_probabilities(model):
    model.graph.node.append(helper.make_node("Softmax", ["logits"], ["probabilities"]))
    model.graph.output.add().CopyFrom(model.graph.output[0])
    model.graph.output[1].name = "probabilities"


@pytest.fixture(scope="module")
def raw(build_model):
    return build_model(take_frames, raw_input=True)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(3).integers(0, 256, (70, 28, 28), np.uint8)


def test_every_way_to_label_images_gives_the_answers_of_the_model_that_takes_floats(raw, sealed, pictures, frames):
    with Classifier(raw) as ours, Classifier(sealed) as theirs:
        assert ours.spec.raw_input
        assert [ours.predict(each) for each in pictures] == [theirs.predict(each) for each in pictures]
        assert ours.predict_batch(frames) == theirs.predict_batch(frames)
        assert ours.predict_batch(pictures) == theirs.predict_batch(pictures)
        assert [*ours.stream(iter(pictures), batch_size=2)] == [*theirs.stream(iter(pictures), batch_size=2)]
        assert np.array_equal(ours.logits(frames), theirs.logits(normalise(frames, theirs.spec)))
        assert ours.logits(frames[:0]).shape == (0, 10)
        assert pickle.loads(pickle.dumps(ours)).predict(pictures[0]) == theirs.predict(pictures[0])


def test_a_fixed_batch(build_model, sealed, frames):
    with Classifier(build_model(take_frames, raw_input=True, batch=4)) as ours, Classifier(sealed) as theirs:
        assert ours.predict_batch(frames[:6]) == theirs.predict_batch(frames[:6])
        assert ours.predict(frames[0]) == theirs.predict(frames[0])


def test_frames_of_any_memory_order(raw, frames):
    with Classifier(raw) as classifier:
        expected = classifier.predict_batch(frames)
        turned = np.asfortranarray(frames)
        assert classifier.predict_batch(turned) == expected
        assert np.array_equal(classifier.logits(turned), classifier.logits(frames))
        assert classifier.predict(frames[::2][1, ::-1, ::-1]) == classifier.predict(frames[2, ::-1, ::-1].copy())
        assert classifier.predict(np.asfortranarray(frames[5])) == expected[5]


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (1, 28, 28)])
def test_floats_are_refused(raw, shape):
    with Classifier(raw) as classifier, pytest.raises(InputError, match=r"Inputs are uint8\[N, 28, 28\]; these are"):
        classifier.logits(np.zeros(shape, np.float32))


def test_the_self_test_and_the_choice_of_a_device_run_frames(build_model, selftest):
    data = build_model(take_frames, raw_input=True, selftest=selftest)
    with Classifier(data) as classifier:
        assert classifier.self_test().passed
    spec = read_spec(data)
    backend = OrtBackend(data, spec)
    assert _works(backend, spec)
    assert _works(backend, dataclasses.replace(spec, selftest=None))


def test_a_graph_that_takes_other_inputs_than_its_spec_says_is_refused(build_model):
    for data in (build_model(raw_input=True), build_model(take_frames)):
        with pytest.raises(ArtifactError, match="Its spec says"):
            Classifier(data)


def test_probabilities_are_an_output_of_their_own(build_model, sealed, pictures):
    data = build_model(add_probabilities, probabilities=True)
    with Classifier(data) as ours, Classifier(sealed) as theirs:
        assert [ours.predict(each) for each in pictures] == [theirs.predict(each) for each in pictures]
    for wrong in (build_model(probabilities=True), build_model(add_probabilities)):
        with pytest.raises(ArtifactError, match="Its spec says"):
            Classifier(wrong)


def test_both_together(build_model, sealed, frames):
    def both(model):
        take_frames(model)
        add_probabilities(model)

    data = build_model(both, raw_input=True, probabilities=True)
    backend, theirs = OrtBackend(data, read_spec(data)), OrtBackend(sealed, read_spec(sealed))
    spec = read_spec(sealed)
    expected = run_in_batches(theirs, normalise(frames, spec), spec)
    assert np.array_equal(run_in_batches(backend, frames, read_spec(data)), expected)


@pytest.mark.parametrize("name", ["raw_input", "probabilities"])
def test_the_spec_omits_the_default_and_allows_it_only_where_lenetx_writes_it(spec_fields, name):
    on = ModelSpec(**spec_fields, **{name: True})
    assert f'"{name}":true' in on.to_json()
    assert ModelSpec.from_json(on.to_json()) == on
    assert name not in ModelSpec(**spec_fields).to_json()
    with pytest.raises(ArtifactError, match="which it must omit"):
        ModelSpec.from_json(on.to_json().replace(f'"{name}":true', f'"{name}":false'))
    for wrong in (1, "yes", None):
        with pytest.raises(ArtifactError, match=f"{name} is .*, not true or false"):
            ModelSpec(**spec_fields, **{name: wrong})
    for fields in ({"layout": "nhwc"}, {"origin": "adopted"}, {"precision": "float16"}):
        with pytest.raises(ArtifactError, match=f"{name} is True, not false: only float32 graphs of lenetx"):
            ModelSpec(**spec_fields, **fields, **{name: True})


def test_probabilities_are_of_logits_and_raw_input_needs_known_preprocessing(spec_fields):
    with pytest.raises(ArtifactError, match="probabilities is True"):
        ModelSpec(**spec_fields, output="log_probabilities", probabilities=True)
    unknown = {"framing": "unknown", "polarity": "as_is", "padding": 0, "mean": (0,), "std": (1,)}
    with pytest.raises(ArtifactError, match="raw_input is True"):
        ModelSpec(**spec_fields | unknown, raw_input=True)
