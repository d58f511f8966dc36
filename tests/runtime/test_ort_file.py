"""Models in ORT format: run like ONNX files, and read only if every bit is as it was sealed."""

import numpy as np
import onnxruntime
import pytest

from lenetx_runtime import ArtifactError, Classifier, onnx_file, ort_file
from lenetx_runtime.__main__ import main
from lenetx_runtime.flatbuffer import root


def convert(model, path):
    """Write a model in ORT format, as onnxruntime does it."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return path.read_bytes()


@pytest.fixture(scope="session")
def ort_model(build_model, tmp_path_factory):
    """The tiny model in ORT format, sealed."""
    return ort_file.seal(convert(build_model(sealed=False), tmp_path_factory.mktemp("ort") / "tiny.ort"))


def test_it_computes_what_the_onnx_file_does(ort_model, sealed, seven):
    inputs = np.random.default_rng(3).normal(size=(5, 1, 32, 32)).astype(np.float32)
    ours, theirs = Classifier(ort_model), Classifier(sealed)
    np.testing.assert_allclose(ours.logits(inputs), theirs.logits(inputs), rtol=1e-5, atol=1e-5)
    assert ours.predict(seven).label == theirs.predict(seven).label


def test_its_spec_is_that_of_the_onnx_file(ort_model, sealed):
    found, expected = ort_file.read_spec(ort_model), onnx_file.read_spec(sealed)
    assert found.content_sha256 != expected.content_sha256
    assert {name for name in found.__slots__ if getattr(found, name) != getattr(expected, name)} == {"content_sha256"}
    assert ort_file.read_any_spec(ort_model) == found
    assert ort_file.read_any_spec(sealed) == expected


def test_the_commands_take_it(ort_model, tmp_path, capsys):
    path = tmp_path / "tiny.ort"
    path.write_bytes(ort_model)
    assert main(["inspect", str(path)]) == 0
    assert "architecture" in capsys.readouterr().out


def test_a_flipped_bit_anywhere_is_noticed(ort_model):
    random = np.random.default_rng(5)
    for place in random.integers(0, len(ort_model), 300):
        changed = bytearray(ort_model)
        changed[place] ^= 1 << int(random.integers(8))
        with pytest.raises(ArtifactError):
            ort_file.read_any_spec(bytes(changed))


@pytest.mark.parametrize("size", [0, 8, 12, 40, 1000, -1])
def test_what_is_cut_off_is_refused(ort_model, size):
    with pytest.raises(ArtifactError):
        ort_file.read_spec(ort_model[:size])


def test_more_behind_the_end_is_noticed(ort_model):
    with pytest.raises(ArtifactError, match="its digest does not match"):
        ort_file.read_spec(ort_model + b"\0")


def test_an_ort_file_is_no_onnx_file(ort_model):
    with pytest.raises(ArtifactError, match="onnxruntime would read it as its own ORT format"):
        onnx_file.read_spec(ort_model)


def test_a_file_without_a_spec_is_told_the_road(build_model, tmp_path):
    def forget(model):
        del model.metadata_props[:]

    path = tmp_path / "theirs.ort"
    convert(build_model(forget, sealed=False), path)
    with pytest.raises(ArtifactError, match=r"ORT file without a lenetx spec: adopt .* 'lenetx adopt'"):
        Classifier(path)


@pytest.mark.parametrize("read", ["table", "span"])
def test_what_is_read_is_bounded(ort_model, read):
    """A vector of places could lead to the same parts again and again, and a long one takes memory each time."""
    table, words = root(ort_model), "It has more parts than any model needs"
    with pytest.raises(ArtifactError, match=words):
        [getattr(table, read)(1 if read == "table" else 0) for _ in range(2**19)]


def test_a_long_text_counts_for_more(ort_model):
    (entry,) = root(ort_model).table(1).tables(9)
    with pytest.raises(ArtifactError, match="It has more parts"):
        [entry.view(1) for _ in range(2**16)]
