"""The logic of a benchmark, on times that are made up: no test here depends on a clock."""

import csv
import io
import json

import numpy as np
import pytest

from lenetx.benchmark import statistics
from lenetx.benchmark.assemble import assemble
from lenetx.benchmark.choose import recommended, slower_than_float32, too_noisy, with_pareto
from lenetx.benchmark.configuration import EAGER, ONNXRUNTIME, Configuration
from lenetx.benchmark.page import to_html
from lenetx.benchmark.picture import to_png
from lenetx.benchmark.result import Row, Subject
from lenetx.benchmark.rounds import Timed
from lenetx.benchmark.statistics import Estimate, differs, median_interval, noise, percentile
from lenetx.benchmark.words import failures, tables

ROUNDS = 9


def subject(
    name="a.onnx", *, precision="float32", engine="onnxruntime, 1 thread", size=1000, accuracy=0.99, eager=False
):
    kind = "" if eager else "onnx"
    return Subject(name, "a.pt", kind, precision, engine, eager, size, "cpu", 1, 0.001, 2**26, accuracy, 0)


def row(milliseconds, *, batch=1, jitter=0.0, **about):
    medians = tuple(milliseconds / 1e3 * (1 + jitter * (number % 3 - 1)) for number in range(ROUNDS))
    time = Estimate(milliseconds / 1e3, min(medians), max(medians))
    return Row(subject(**about), batch, time, time, medians, noise(medians), 900)


def configuration(name="a.onnx", engine=ONNXRUNTIME, **others):
    return Configuration(name, "a.pt", f"/x/{name}", "onnx", "float32", 1000, engine, threads=1, **others)


def test_percentiles_are_those_of_all_calls():
    rounds = [list(range(1, 101)), list(range(101, 201))]
    assert percentile(rounds, 0.5).value == pytest.approx(100e-9)
    assert percentile(rounds, 0.99).value == pytest.approx(198e-9)


def test_a_99th_percentile_needs_a_hundred_calls():
    assert percentile([[5] * 99], 0.99) is None
    assert percentile([[5] * 100], 0.99) == Estimate(5e-9, 5e-9, 5e-9)
    assert percentile([[5]], 0.5) == Estimate(5e-9, 5e-9, 5e-9)


def test_intervals_treat_rounds_as_independent_and_not_calls():
    """A thousand calls in each of two rounds that disagree say nothing about which of both is right."""
    found = percentile([[100] * 1000, [200] * 1000], 0.5)
    assert (found.low, found.high) == (100e-9, 200e-9)
    alike = np.random.default_rng(0).integers(100, 110, (9, 1000)).tolist()
    narrow = percentile(alike, 0.5)
    assert narrow.high - narrow.low <= 2e-9


def test_an_interval_holds_the_true_median_as_often_as_it_says():
    random = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        low, high = median_interval(random.exponential(size=9).tolist())
        held += low <= np.log(2) <= high
    assert held / 2000 == pytest.approx(0.961, abs=0.015)  # exactly 1 - 2 (1 + 9) / 2^9


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 0), (2, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (31, 9)]
)
def test_intervals_of_a_median_have_the_tabulated_ranks(count, rank):
    assert median_interval(list(range(count))) == (rank, count - 1 - rank)


def test_rows_differ_if_one_wins_in_nearly_every_round_however_noisy_the_machine_is():
    waves = [1, 5, 2, 9, 1, 7, 3, 4, 8]
    assert differs([1.1 * each for each in waves], waves)
    assert not differs(waves[::-1], waves)
    assert not differs([2, 2, 2, 2, 2], [1, 1, 1, 1, 1])  # five rounds are too few to claim 95 %


def test_noise_is_the_spread_of_the_middle_half():
    assert noise([1, 1, 1, 1, 100]) == 0
    assert noise([1, 2, 3, 4, 5]) == pytest.approx(2 / 3)


def test_nothing_that_is_both_slower_and_no_more_accurate_is_marked():
    fast, exact, worse, other = (
        row(1, name="fast", accuracy=0.98),
        row(2, name="exact", accuracy=0.99),
        row(3, name="worse", accuracy=0.99),
        row(5, name="other", accuracy=0.98, batch=64),
    )
    assert [each.pareto for each in with_pareto([fast, exact, worse, other])] == [True, True, False, True]


def test_without_accuracy_or_times_nothing_is_marked():
    rows = with_pareto([row(1, accuracy=None), Row(subject(), 8, problem="It broke.")])
    assert [each.pareto for each in rows] == [None, None]


def test_each_purpose_has_its_own_recommendation():
    rows = [
        row(0.1, name="eager", eager=True, size=1),
        row(1, name="small", size=100),
        row(0.5, name="quick", size=900),
        row(0.9, name="quick", engine="onnxruntime, 2 threads", size=900),
        row(2, name="wide", batch=64),
        row(64, name="quick", batch=64, size=900),
    ]
    assert recommended(rows, "latency") == (
        "For latency: quick (onnxruntime, 1 thread), 0.5 ms for one image, accuracy 99.00%."
    )
    assert recommended(rows, "throughput").startswith("For throughput: wide (onnxruntime, 1 thread), 32,000 images per")
    assert recommended(rows, "size").startswith("For size: small, 100 bytes, accuracy 99.00%; 1 ms for one image")
    fixed = row(8, name="fixed", batch=8, size=10)
    assert recommended([*rows, fixed], "size").startswith("For size: fixed, 10 bytes, accuracy 99.00%; 8 ms")


def test_what_noise_hides_is_named():
    rows = [row(1, name="one", jitter=0.3), row(1.001, name="two", jitter=-0.3), row(9, name="far")]
    assert recommended(rows, "latency").endswith(
        "Not to be told apart from it in these rounds: two (onnxruntime, 1 thread)."
    )
    assert "in 2 of 3 rows" in too_noisy(rows)
    assert too_noisy(rows[2:]) == ""


def test_nothing_is_recommended_if_nothing_ran():
    assert recommended([Row(subject(), 1, problem="It broke.")], "size") == (
        "For size: no artifact ran, so none is recommended."
    )


def test_int8_that_is_slower_than_float32_is_said():
    rows = [
        row(1),
        row(2.4, name="a.int8.onnx", precision="int8"),
        row(1, batch=64),
        row(0.5, batch=64, precision="int8"),
    ]
    assert slower_than_float32(rows) == [
        "int8 is slower than float32 here: 2.40 times as long in batches of 1 (onnxruntime, 1 thread)."
    ]
    noisy = [row(1, jitter=0.3), row(1.01, precision="int8", jitter=-0.3)]
    assert slower_than_float32(noisy) == []


def result(**others):
    eager, ran, broke, half = (
        configuration("a.pt", EAGER),
        configuration(),
        configuration("b.onnx"),
        configuration("c.onnx", batch=8),
    )
    calls = [[1000] * 20, [1100] * 20]
    timed = [
        (eager, Timed([0.1], 2**28, {1: calls, 8: calls}, [1, 2, 3])),
        (ran, Timed([0.3, 0.1, 0.2], 2**26, {1: calls}, [1, 2, 0], {8: "ValueError: no <b>."})),
        (broke, Timed(problems={0: "Its process ended with signal 11."})),
        (half, Timed([0.1], 2**26, {8: calls}, note="It ran out of memory.")),
    ]
    unusable = [(configuration("d.ort", "engine missing"), "Run 'pip install x'.")]
    truth = {"a.pt": np.array([1, 2, 0])}
    given = {"images": "3 test images", "rounds": 2, "notes": ("A note.",), "environment": {"python": "3"}} | others
    return assemble(timed, unusable, (1, 8), truth, **given)


def test_every_configuration_has_rows_and_a_failed_one_says_why():
    found = result()
    shown = [(each.subject.artifact, each.batch, each.problem) for each in found.rows]
    assert shown == [
        ("a.pt", 1, ""),
        ("a.pt", 8, ""),
        ("a.onnx", 1, ""),
        ("a.onnx", 8, "ValueError: no <b>."),
        ("b.onnx", 0, "Its process ended with signal 11."),
        ("c.onnx", 8, ""),
        ("d.ort", 0, "Run 'pip install x'."),
    ]
    assert failures(found)[1:] == [
        "b.onnx (onnxruntime, 1 thread): Its process ended with signal 11.",
        "d.ort (engine missing): Run 'pip install x'.",
    ]
    assert found.notes[:2] == (
        "A note.",
        "c.onnx (onnxruntime, 1 thread) did not label the images: It ran out of memory.",
    )


def test_accuracy_is_against_the_truth_and_flips_against_eager():
    found = {each.subject.artifact: each.subject for each in result().rows}
    assert (found["a.pt"].accuracy, found["a.pt"].flips) == (pytest.approx(2 / 3), 0)
    assert (found["a.onnx"].accuracy, found["a.onnx"].flips) == (1, 1)
    assert (found["c.onnx"].accuracy, found["c.onnx"].flips) == (None, None)
    assert found["a.onnx"].load_seconds == 0.2


def test_json_and_csv_hold_every_row():
    found = result()
    rows = json.loads(found.to_json())["rows"]
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert len(rows) == len(lines) == len(found.rows)
    assert rows[0]["p50_seconds"] == pytest.approx(1e-6)
    assert rows[0]["medians"] == [1e-6, 1.1e-6]
    assert rows[0]["images_per_second"] == pytest.approx(1e6)
    assert (lines[4]["problem"], lines[4]["p50_seconds"]) == ("Its process ended with signal 11.", "")


def test_tables_have_as_many_cells_as_columns_and_the_fastest_first():
    for table in tables(result()):
        assert {len(cells) for cells in table.rows} == {len(table.heading)}
    times = tables(result())[1]
    assert times.title == "1 image per call, 2 rounds"
    assert {cells[0] for cells in times.rows} == {"a.pt", "a.onnx"}


def test_the_page_is_self_contained_and_escapes_what_engines_say():
    picture = to_png(result())
    page = to_html(result(), picture, "2026-01-01")
    assert picture.startswith(b"\x89PNG")
    assert "no &lt;b&gt;." in page
    assert "<script" not in page
    assert statistics.SOURCES.split(";")[0] in page
    assert to_html(result(), picture) == to_html(result(), to_png(result()))


def test_a_result_without_any_times_can_be_drawn_too():
    broke = [(configuration(), Timed(problems={0: "It broke."}))]
    found = assemble(broke, [], (1,), {}, images="", rounds=1, notes=(), environment={})
    assert "It broke." in to_html(found, to_png(found))


def test_the_legend_is_in_the_picture_however_long_a_name_is():
    def width(name):
        timed = [(configuration(name), Timed([0.1], 2**26, {1: [[1000] * 20] * 2}, [1]))]
        found = assemble(timed, [], (1,), {}, images="", rounds=2, notes=(), environment={})
        return int.from_bytes(to_png(found)[16:20], "big")

    assert width("a" * 150) > 2 * width("a")
