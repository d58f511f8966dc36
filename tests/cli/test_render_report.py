"""The table of a report for people: a line per group, what is wrong beneath it, the conclusion last."""

import dataclasses
import math
import re

import pytest

from lenetx.report import Check, Report
from lenetx_cli import render

WEIGHTS = Check("tensors", "61,706 numbers", "passed", detail="Bit for bit.", group="weights")
REAL = Check("real inputs", "10,000 test images", "passed", 1.8e-6, 8.8e-5, "The adjoint bound.", "end to end")
NOISE = Check("noise", "257 random inputs", "passed", 1e-6, 8.8e-5, group="end to end")
UNSEEN = Check("flips", "test images", "not_run", detail="There is no data set.", group="real data")
EVAL = Check("dropout", "no dropout", "not_applicable", detail="There is none.", group="eval mode")


@pytest.fixture
def shown(capsys):
    """The function that gives the lines that people see."""

    def show(*checks, verbose=False, name="net.onnx"):
        render.reports([Report(checks, {"python": "3"}, {"name": name}, {})], verbose=verbose)
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out.splitlines()

    return show


def cells(line):
    return re.split(r"\s{2,}", line.strip())


def test_a_line_per_group_and_the_conclusion_last(shown):
    heading, *groups, last = shown(EVAL, REAL, NOISE, WEIGHTS)
    assert cells(heading) == ["net.onnx", "checks", "error/limit", "on"]
    assert [cells(line) for line in groups] == [
        ["weights", "passed", "1 of 1", "61,706 numbers"],
        ["end to end", "passed", "2 of 2", "2.05%", "10,000 test images, and 1 more"],
        ["eval mode", "n/a", "no dropout"],
    ]
    assert last == "net.onnx computes what eager PyTorch computes (no real images seen)."


def test_what_failed_stands_under_its_group_with_its_numbers(shown):
    failed = dataclasses.replace(REAL, status="failed", measured=0.0073, detail="Image 12, logit 3.")
    _, weights, group, check, numbers, sentence, last = shown(WEIGHTS, NOISE, failed)
    assert cells(weights)[1] == "passed"
    assert cells(group) == ["end to end", "FAILED", "2 of 2", "83 times", "10,000 test images, and 1 more"]
    assert cells(check) == ["real inputs", "FAILED", "83 times", "10,000 test images"]
    assert [numbers, sentence] == ["    measured 0.0073, limit 8.8e-05", "    Image 12, logit 3."]
    assert last.startswith("net.onnx is NOT proven: real inputs. Do not use it. ")


def test_what_was_not_run_is_one_line_for_each_reason(shown):
    ran = Check("accuracy", "digits", "passed", group="real data")
    others = [dataclasses.replace(UNSEEN, name=name, group="hard inputs") for name in ("margins", "refusals")]
    _, _, unseen, group, line, last = shown(WEIGHTS, ran, UNSEEN, *others)
    assert cells(group) == ["real data", "passed", "1 of 2", "digits, and 1 more"]
    assert cells(unseen) == ["hard inputs", "not run", "0 of 2", "test images"]
    assert cells(line) == ["not run", "flips, margins, refusals. There is no data set."]
    assert last.endswith("Each line marked 'not run' states what is missing.")


def test_verbose_shows_every_check_with_its_detail(shown):
    lines = shown(WEIGHTS, REAL, NOISE, EVAL, verbose=True)
    for check in (WEIGHTS, REAL, NOISE, EVAL):
        assert any(line.startswith(f"  {check.name} ") for line in lines)
        assert not check.detail or f"    {check.detail}" in lines
    assert "    measured 1e-06, limit 8.8e-05" in lines


def test_lines_of_groups_fit_where_there_is_no_terminal(shown):
    long = dataclasses.replace(WEIGHTS, subject="batches of " + ", ".join(map(str, range(99))))
    line = shown(long)[1]
    assert len(line) == 110
    assert line.endswith("…")
    assert any(long.subject in line for line in shown(long, verbose=True))


@pytest.mark.parametrize("measured", [math.nan, math.inf])
def test_what_is_not_finite_is_said(shown, measured):
    line = shown(dataclasses.replace(REAL, status="failed", measured=measured))[1]
    assert cells(line)[1:4] == ["FAILED", "1 of 1", "not finite"]


def test_what_an_artifact_says_does_not_steer_the_terminal(shown):
    hostile = "\x1b[2J[bold]passed[/bold]\r\n\x07"
    failed = Check(hostile, hostile, "failed", detail=hostile, group="weights")
    lines = shown(failed, name=hostile, verbose=True)
    assert len(lines) == 5
    for line in lines:
        assert line.isprintable()
        assert r"\x1b[2J[bold]passed[/bold]\r \x07" in line or line.startswith("weights")


def test_of_a_file_that_could_not_be_opened(capsys):
    render.reports([Report.unreadable("net.onnx", "It is truncated.")])
    assert "    It is truncated." in capsys.readouterr().out.splitlines()


def test_the_same_words_are_said_once(shown):
    failed = [Check(name, "3 inputs", "failed", detail="KeyError: 'conv1'", group="end to end") for name in "abc"]
    other = Check("d", "3 inputs", "failed", detail="Another.", group="real data")
    lines = [line.strip() for line in shown(*failed, other)]
    assert [line for line in lines if line in ("KeyError: 'conv1'", "as above", "Another.")] == [
        "KeyError: 'conv1'",
        "as above",
        "as above",
        "Another.",
    ]
