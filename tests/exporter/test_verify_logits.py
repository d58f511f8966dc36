"""Logits that some other program has computed, judged by the library."""

import numpy as np
import onnxruntime
import pytest

import lenetx
from lenetx.errors import InputError


@pytest.fixture
def run(workspace):
    """Some other program."""
    session = onnxruntime.InferenceSession(str(workspace / "lenet5.onnx"), providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"image": batch})[0]


class TestLogitsFromElsewhere:
    @pytest.fixture
    def inputs(self):
        return np.random.default_rng(0).standard_normal((20, 1, 32, 32)).astype(np.float32)

    def test_right_ones_pass(self, checkpoint, run, inputs):
        report = lenetx.verify_logits(run(inputs), inputs, against=checkpoint, name="theirs")
        assert report.passed
        assert report.conclusion == "theirs computes what eager PyTorch computes (20 given inputs)."
        assert [check.name for check in report.checks] == ["given inputs", "labels", "margin certificate"]

    def test_lists_and_float64_are_rounded(self, checkpoint, run, inputs):
        logits = run(inputs).astype(np.float64)
        assert lenetx.verify_logits(logits, inputs, against=checkpoint).passed
        assert lenetx.verify_logits(logits.tolist(), inputs, against=checkpoint).passed

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_the_order_of_bytes_makes_no_difference(self, checkpoint, run, inputs, order):
        logits = run(inputs).astype(f"{order}f4")
        assert lenetx.verify_logits(logits, inputs.astype(f"{order}f4"), against=checkpoint).passed

    def test_pictures_are_normalised_as_the_runtime_does_it(self, checkpoint, run):
        from lenetx_runtime.preprocess import normalise

        frames = lenetx.reference(checkpoint).frames[:9]
        logits = run(normalise(frames, checkpoint.spec))
        assert lenetx.verify_logits(logits, frames, against=checkpoint).passed

    def test_one_wrong_logit_fails_and_is_named(self, checkpoint, run, inputs):
        logits = run(inputs)
        logits[3, 2] += 1e-3
        report = lenetx.verify_logits(logits, inputs, against=checkpoint)
        assert [check.name for check in report.failures] == ["given inputs"]
        assert "Input 3, logit 2" in report.failures[0].detail

    @pytest.mark.parametrize(("rows", "words"), [(19, "19 rows of logits"), (21, "21 rows"), (1, "1 row of logits")])
    def test_another_number_of_rows_is_refused(self, checkpoint, inputs, rows, words):
        with pytest.raises(InputError, match=f"There are {words}.* and 20 inputs"):
            lenetx.verify_logits(np.zeros((rows, 10), np.float32), inputs, against=checkpoint)

    def test_nothing_says_that_they_are_real_images(self, checkpoint, run, inputs):
        report = lenetx.verify_logits(run(inputs), inputs, against=checkpoint)
        assert {check.group for check in report.checks} == {"end to end"}
        assert "of 20 inputs" in report.checks[-1].detail

    def test_probabilities_are_known_by_their_sums(self, checkpoint, run, inputs):
        powers = np.exp(run(inputs))
        (check, *_) = lenetx.verify_logits(
            powers / powers.sum(axis=1, keepdims=True), inputs, against=checkpoint
        ).checks
        assert "They are probabilities, whose rows sum to 1: logits are wanted" in check.detail
        (check, *_) = lenetx.verify_logits(2 * run(inputs), inputs, against=checkpoint).checks
        assert check.status == "failed"
        assert "probabilities" not in check.detail

    def test_a_flip_that_rounding_cannot_explain_fails(self, checkpoint, run, inputs):
        logits = run(inputs)
        logits[5] = logits[5, ::-1]
        report = lenetx.verify_logits(logits, inputs, against=checkpoint)
        assert "labels" in [check.name for check in report.failures]

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_what_is_no_number_fails(self, checkpoint, run, inputs, value):
        logits = run(inputs)
        logits[0, 0] = value
        assert not lenetx.verify_logits(logits, inputs, against=checkpoint).passed

    @pytest.mark.parametrize(
        "wrong", [np.zeros((20, 9), np.float32), np.zeros(20, np.float32), np.zeros((20, 10), np.float16)]
    )
    def test_another_shape_fails(self, checkpoint, inputs, wrong):
        report = lenetx.verify_logits(wrong, inputs, against=checkpoint)
        assert "instead of float32[20, 10]" in report.failures[0].detail

    @pytest.mark.parametrize(
        ("inputs_given", "words"),
        [
            (np.zeros((2, 1, 28, 28), np.float32), r"float32\[2, 1, 28, 28\]"),
            (np.zeros((2, 1, 32, 32)), "float64"),
            (np.zeros((2, 32, 32), np.uint8), "uint8"),
            (np.zeros((0, 1, 32, 32), np.float32), "N at least 1"),
            (np.full((2, 1, 32, 32), np.nan, np.float32), "NaN or infinity"),
        ],
        ids=["size", "dtype", "frames", "none", "nan"],
    )
    def test_inputs_of_something_else_are_refused(self, checkpoint, inputs_given, words):
        with pytest.raises(InputError, match=words):
            lenetx.verify_logits(np.zeros((2, 10), np.float32), inputs_given, against=checkpoint)
