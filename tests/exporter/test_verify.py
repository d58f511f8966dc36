"""The proof as a library: functions, the inputs for custom programs, and how many images are asked."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import lenetx
from lenetx.bounds.measure import Plan
from lenetx.errors import DataError, InputError
from lenetx.execution.float64 import Float64Network
from lenetx.report import Report


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.last = nn.Linear(3 * 20 * 20, 4)

    def forward(self, image):
        self.early = self.first(image).relu()
        late = self.second(self.early)
        return self.last((late + self.early).flatten(1))


EQUAL = """
import torch
from torch import nn


class Equal(nn.Module):
    input_shape = (1, 4, 4)

    def __init__(self, num_classes=4):
        super().__init__()
        self.one, self.two, self.last = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, num_classes)
        for layer in (self.one, self.two):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, image):
        return self.last(self.two(self.one(image.flatten(1)).relu()).relu())
"""


def checks(report: Report) -> dict[str, str]:
    return {check.name: check.status for check in report.checks}


@pytest.fixture
def session(workspace):
    return onnxruntime.InferenceSession(str(workspace / "lenet5.onnx"), providers=["CPUExecutionProvider"])


@pytest.fixture
def run(session):
    """Somebody's own implementation."""
    return lambda batch: session.run(None, {"image": batch})[0]


def test_a_function_is_proven_by_what_it_computes(workspace, run):
    report = lenetx.verify(run, against=workspace / "lenet5.pt")
    assert report.passed
    found = checks(report)
    assert {found[name] for name in ("random inputs", "real inputs", "batch sizes", "labels", "repeats")} == {"passed"}
    assert {found[name] for name in ("file", "weights", "numbers", "layers")} == {"not_applicable"}


def test_a_function_may_give_lists(workspace, run):
    assert lenetx.verify(
        lambda batch: run(batch).tolist() if len(batch) else np.empty((0, 10)), against=workspace / "lenet5.pt"
    ).passed


def test_what_means_nothing_is_refused(run, reference):
    with pytest.raises(InputError, match="images cannot be given with it"):
        lenetx.verify(run, against=reference, images=3)
    with pytest.raises(InputError, match="`device` does not apply to functions; got 'cuda'"):
        lenetx.verify(run, against=reference, device="cuda")


def test_only_a_function_needs_a_name(workspace, run, reference):
    assert lenetx.verify(run, against=reference, name="kiosk").artifact["name"] == "kiosk"
    with pytest.raises(InputError, match="got 'kiosk'"):
        lenetx.verify(workspace / "lenet5.onnx", against=reference, name="kiosk")


def test_the_report_names_the_file_of_the_checkpoint_and_no_folder(workspace, run, checkpoint):
    known = lenetx.verify(lambda x: run(x) * 2, against=workspace / "lenet5.pt", images=8)
    assert known.reference["checkpoint"] == "lenet5.pt"
    assert "is NOT proven against lenet5.pt: " in known.conclusion
    assert str(workspace.parent) not in known.to_json()
    assert "checkpoint" not in lenetx.verify(run, against=checkpoint, images=8).reference
    inputs = np.zeros((2, 1, 32, 32), np.float32)
    assert lenetx.verify_logits(run(inputs), inputs, against=workspace / "lenet5.pt").reference["checkpoint"]


def test_the_inputs_of_a_proof_are_made_up_and_real_ones(checkpoint, run):
    some = lenetx.reference(checkpoint, images=30)
    inputs = some.inputs()
    assert (inputs.dtype, inputs.shape) == (np.float32, (128 + 1 + 18 + 32 + 128 + 16 + 18 + 30, 1, 32, 32))
    np.testing.assert_array_equal(inputs[-30:], some.real.inputs)
    report = lenetx.verify_logits(run(inputs), inputs, against=checkpoint)
    assert report.passed
    assert not lenetx.verify_logits(run(inputs) + np.float32(1e-3), inputs, against=checkpoint).passed


def test_large_inputs_allow_the_others_nothing(checkpoint, run):
    """A limit that is calibrated is one for a group: that of inputs of 1e30 would excuse anything."""
    unseen = lenetx.Reference(checkpoint, None)
    inputs = unseen.inputs()
    unseen.__dict__["plan"] = Plan("self-calibrated", "for this test", 128)
    assert lenetx.verify_logits(run(inputs), inputs, against=unseen).passed
    off = run(inputs) + np.float32(1e-3)
    (check, *_) = lenetx.verify_logits(off, inputs, against=unseen).checks
    assert check.status == "failed"


def test_fewer_images_than_were_asked_for_are_told(checkpoint):
    said = []
    lenetx.reference(checkpoint, images=360, on_notice=said.append)
    assert said == []
    lenetx.reference(checkpoint, images=512, on_notice=said.append)
    assert said == ["There are 360 test images of digits, not 512: all of them are used."]


def test_a_network_that_keeps_what_it_saw_is_measured_as_it_is():
    """Two threads measure it, and each needs its own."""
    from lenetx.bounds.measure import measure

    torch.manual_seed(0)
    network = Skip().eval()
    inputs = np.random.default_rng(0).standard_normal((400, 1, 20, 20)).astype(np.float32)
    with torch.no_grad():
        right = network(torch.from_numpy(inputs)).numpy()
    found = measure(network, Float64Network(copy.deepcopy(network)), inputs, "adjoint")
    np.testing.assert_allclose(found.exact, right, atol=1e-4)
    np.testing.assert_allclose(found.eager, right, atol=1e-4)


def test_layers_of_equal_weights_are_told_apart(tmp_path):
    code = tmp_path / "equal.py"
    code.write_text(EQUAL, encoding="ascii")
    weights = tmp_path / "equal.pth"
    from lenetx import models

    torch.save(models.build(f"{code}:Equal", (1, 4, 4), 4).state_dict(), weights)
    found = lenetx.load_weights(weights, architecture=f"{code}:Equal")
    reports = lenetx.export(found, folder=tmp_path / "out")
    assert [check.status for report in reports for check in report.checks if check.name == "layers"] == ["passed"] * 2


def test_a_function_that_is_a_little_off_fails(workspace, run):
    report = lenetx.verify(lambda batch: run(batch) + np.float32(1e-3), against=workspace / "lenet5.pt")
    assert not report.passed
    assert {"random inputs", "real inputs"} <= {check.name for check in report.failures}


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: "no logits",
        lambda _: np.zeros((1, 10), np.float32),
        lambda batch: np.zeros((len(batch), 10), np.int64),
        lambda _: 1 / 0,
    ],
    ids=["text", "one row", "whole numbers", "raises"],
)
def test_a_function_that_gives_no_logits_fails_in_words(workspace, broken):
    report = lenetx.verify(broken, against=workspace / "lenet5.pt")
    assert not report.passed
    assert all(check.detail for check in report.failures)


def test_what_a_function_does_to_its_batch_changes_no_verdict(workspace, run):
    def careless(batch):
        logits = run(batch)
        batch[:] = np.nan
        return logits

    assert lenetx.verify(careless, against=workspace / "lenet5.pt").passed


def test_an_interrupt_goes_through(workspace):
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lenetx.verify(interrupted, against=workspace / "lenet5.pt")


@pytest.mark.parametrize("images", [1, 16, 359])
def test_so_many_images_are_asked_spread_over_all(checkpoint, images):
    whole, some = lenetx.reference(checkpoint), lenetx.reference(checkpoint, images=images)
    rows = some.real.indices
    assert len(some.frames) == len(rows) == images
    assert (some.frames == whole.frames[rows]).all()
    assert (some.truth == whole.truth[rows]).all()
    assert images == 1 or (rows[0], rows[-1]) == (0, 359)
    np.testing.assert_allclose(some.real.exact, whole.real.exact[rows], rtol=1e-12)


def test_where_there_are_fewer_all_are_asked(checkpoint):
    assert len(lenetx.reference(checkpoint, images=512).frames) == 360


@pytest.mark.parametrize("images", [0, -3])
def test_no_image_at_all_is_refused(checkpoint, images):
    with pytest.raises(InputError, match=f"The number of images is {images}"):
        lenetx.reference(checkpoint, images=images)


def test_more_than_there_are_is_an_error_of_the_data():
    from lenetx.data import load
    from lenetx.data.proof_images import evenly_spaced

    with pytest.raises(DataError, match="There are 360 test images"):
        evenly_spaced(load("digits"), 361)
