"""What must not fail: every network and format that is right."""

from collections.abc import Callable

import pytest

from lenetx import Reference, Report, data, models
from lenetx.formats import DEFAULT, get

from .conftest import failed, make_checkpoint

Judge = Callable[..., Report]


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["dynamic", 1, 3])
@pytest.mark.parametrize("architecture", models.names())
@pytest.mark.parametrize("name", DEFAULT)
def test_every_network_and_format_passes(
    judge: Judge, digits: data.Dataset, architecture: str, name: str, batch: int | str
) -> None:
    checkpoint = make_checkpoint(architecture, seed=3)
    contents = get(name).export(checkpoint, batch=batch, opset=None)
    report = judge(contents, f"net.{name}", Reference(checkpoint, digits))
    assert failed(report) == []
    assert {check.status for check in report.checks} <= {"passed", "not_applicable"}


def test_without_real_images_the_report_says_so(judge: Judge, checkpoint, onnx_bytes: bytes) -> None:
    report = judge(onnx_bytes, "lenet5.onnx", Reference(checkpoint, None, "MNIST is not here."))
    assert report.passed
    unseen = [check for check in report.checks if check.status == "not_run"]
    assert [check.name for check in unseen] == ["real inputs", "test labels"]
    assert all(check.detail == "MNIST is not here." for check in unseen)
    assert "no real images seen" in report.conclusion


def test_every_question_is_asked(judge: Judge, onnx_bytes: bytes) -> None:
    report = judge(onnx_bytes, "lenet5.onnx")
    assert [check.name for check in report.checks] == [
        "file",
        "operators",
        "constants",
        "axes",
        "local paths",
        "spec",
        "weights",
        "numbers",
        "random inputs",
        "constant inputs",
        "saturated inputs",
        "batch sizes",
        "real inputs",
        "test labels",
    ]
    assert {check.status for check in report.checks} == {"passed"}
