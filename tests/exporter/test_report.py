"""The report: a value whose verdict cannot be misread."""

import dataclasses
import json
import math

import pytest

from lenetx.errors import ProofFailed
from lenetx.report import Check, Report, Status, to_html, to_json
from lenetx.report.report import SCHEMA_VERSION

PASSED = Check("weights", "10 numbers", "passed")
FAILED = Check("spec", "embedded spec", "failed", detail="labels differ.")
UNSEEN = Check("test labels", "test images", "not_run", detail="No data.")
SKIPPED = Check("axes", "inputs", "not_applicable")
SEEN = Check("flips", "10,000 test images of mnist", "passed", 0, 0, group="real data")


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
    assert report(PASSED, SEEN).conclusion.endswith("(10,000 test images of mnist).")
    assert "no real images seen" in report(PASSED).conclusion


def test_the_conclusion_begins_with_a_graph_that_was_not_compared() -> None:
    unknown = Check("graph", "all operators", "not_applicable", detail="The network's code has no canonical form: x.")
    one = report(PASSED, unknown, SEEN)
    assert one.passed
    assert one.conclusion.startswith(
        "The graph was not compared, so other results for rare inputs or larger batches are not excluded: "
        "The network's code has no canonical form: x. "
    )
    assert one.conclusion.endswith("(10,000 test images of mnist).")
    weights = dataclasses.replace(unknown, name="weights")
    words = "not seen: weights, graph, so other results for rare inputs or larger batches are not excluded)."
    assert report(PASSED, weights, unknown).conclusion.endswith(words)
    assert report(PASSED, weights).conclusion.endswith("not seen: weights).")


def test_the_conclusion_names_three_checks_that_failed_and_counts_the_others() -> None:
    failed = [dataclasses.replace(FAILED, name=name) for name in "abcde"]
    assert report(*failed[:3]).conclusion == "net.onnx is NOT proven: a, b, c."
    assert report(*failed).conclusion == "net.onnx is NOT proven: a, b, c and 2 more."


def test_the_conclusion_of_a_failure_names_the_checkpoint() -> None:
    one = dataclasses.replace(report(FAILED), reference={"checkpoint": "mine.pt"})
    assert one.conclusion == "net.onnx is NOT proven against mine.pt: spec."


def test_a_report_prints_as_its_table_and_is_short_in_a_session() -> None:
    one = report(PASSED, FAILED, UNSEEN)
    heading, *rows, last = str(one).splitlines()
    assert heading.split() == ["net.onnx", "checks", "error/limit", "on"]
    assert last.startswith(one.conclusion)
    assert [row.split()[0] for row in rows] == ["file", "spec", "labels", "not"]
    assert repr(one) == "<Report of 'net.onnx': NOT passed, 3 checks>"
    assert repr(report(PASSED)) == "<Report of 'net.onnx': passed, 1 check>"


def test_a_report_gives_its_page() -> None:
    assert report(PASSED).to_html() == to_html([report(PASSED)])


@pytest.mark.parametrize("status", ["not_run", "not_applicable"])
def test_real_images_were_seen_only_where_a_check_of_them_ran(status: Status) -> None:
    unseen = dataclasses.replace(SEEN, status=status)
    assert "no real images seen" in report(PASSED, unseen).conclusion
    assert "(10,000 test images of mnist)" in report(PASSED, unseen, SEEN).conclusion


def test_a_verdict_takes_its_group() -> None:
    assert Check.verdict("spec", "embedded spec", None, group="contract").group == "contract"
    assert Check.verdict("spec", "embedded spec", "Other labels.", group="contract").status == "failed"


@pytest.mark.parametrize(
    ("measured", "limit", "share"),
    [(1.0, 4.0, 0.25), (math.inf, 4.0, math.inf), (0, 0, None), (3, 0, None), (None, 4.0, None), (1.0, None, None)],
)
def test_the_share_of_the_limit(measured: float | None, limit: float | None, share: float | None) -> None:
    assert Check("random inputs", "3 inputs", "passed", measured, limit).share == share


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
        "group": "file",
        "figures": None,
    }
    assert first["artifact"]["name"] == "net.onnx"


def test_json_holds_group_and_figures_without_illegal_numbers_at_any_depth() -> None:
    layers = ({"layer": "conv1", "share": math.inf, "passed": False}, {"layer": "conv2", "share": 0.5, "passed": True})
    check = Check("layers", "2 layers", "failed", group="layers", figures={"kind": "layers", "layers": layers})
    document = json.loads(report(check).to_json(), parse_constant=pytest.fail)
    (written,) = document["reports"][0]["checks"]
    assert written["group"] == "layers"
    assert written["figures"] == {
        "kind": "layers",
        "layers": [
            {"layer": "conv1", "share": "inf", "passed": False},
            {"layer": "conv2", "share": 0.5, "passed": True},
        ],
    }
