"""The report: a value whose verdict cannot be misread."""

import json
import math

import pytest

from lenetx.errors import ProofFailed
from lenetx.report import SCHEMA_VERSION, Check, Report, to_json

PASSED = Check("weights", "10 numbers", "passed")
FAILED = Check("spec", "embedded spec", "failed", detail="labels differ.")
UNSEEN = Check("test labels", "test images", "not_run", detail="No data.")
SKIPPED = Check("axes", "inputs", "not_applicable")


def report(*checks: Check) -> Report:
    return Report(checks, {"python": "3"}, {"name": "net.onnx", "size_bytes": 3}, {"architecture": "lenet5"})


@pytest.mark.parametrize(
    ("checks", "passed"),
    [
        ((PASSED,), True),
        ((PASSED, UNSEEN, SKIPPED), True),
        ((PASSED, FAILED), False),
        ((UNSEEN, SKIPPED), False),
        ((), False),
    ],
)
def test_passed(checks: tuple[Check, ...], passed: bool) -> None:
    one = report(*checks)
    assert one.passed is passed
    if passed:
        one.raise_if_failed()
    else:
        with pytest.raises(ProofFailed) as caught:
            one.raise_if_failed()
        assert caught.value.exit_code == 1
        assert caught.value.reports == (one,)


def test_conclusion_names_what_failed_and_the_scope() -> None:
    assert report(PASSED, FAILED).conclusion == "net.onnx is NOT proven: spec."
    assert "no real images seen" in report(PASSED, UNSEEN).conclusion
    assert "real test images included" in report(PASSED).conclusion


def test_json_holds_everything_and_only_legal_numbers() -> None:
    nan = Check("random inputs", "3 inputs", "failed", math.nan, 1e-5, "NaN.")
    document = json.loads(to_json([report(PASSED, nan), report(PASSED)]), parse_constant=pytest.fail)
    assert (document["schema_version"], document["passed"]) == (SCHEMA_VERSION, False)
    first, second = document["reports"]
    assert (first["passed"], second["passed"]) == (False, True)
    assert first["checks"][1] == {
        "name": "random inputs",
        "subject": "3 inputs",
        "status": "failed",
        "measured": "nan",
        "limit": 1e-5,
        "detail": "NaN.",
    }
    assert first["artifact"]["name"] == "net.onnx"
