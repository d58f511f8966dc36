"""Checks by group: the worst verdict wins, and nothing that did not run looks as if it had passed."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetx.report import GROUPS, Check, Report, Status, advice, number, share, summaries, visible

MOST_TELLING: tuple[Status, ...] = ("failed", "passed", "not_run", "not_applicable")


def check(status: Status = "passed", group: str = "weights", subject: str = "all", **numbers: float) -> Check:
    return Check("check", subject, status, group=group, detail="Why.", **numbers)  # type: ignore[arg-type]


def report(*checks: Check) -> Report:
    return Report(checks, {"python": "3"}, {"name": "net.onnx"}, {})


@pytest.mark.parametrize("statuses", list(itertools.permutations(MOST_TELLING, 2)))
def test_the_most_telling_status_is_the_verdict(statuses: tuple[Status, ...]) -> None:
    (group,) = summaries(report(*map(check, statuses)))
    assert group.verdict == min(statuses, key=MOST_TELLING.index)


def test_how_many_ran_of_those_that_there_are_to_run() -> None:
    (group,) = summaries(report(*map(check, ("passed", "failed", "not_run", "not_applicable"))))
    assert (group.ran, group.applicable) == (2, 3)


def test_groups_come_in_their_order_and_only_where_there_is_a_check() -> None:
    shuffled = [check(group=name) for name in ("unheard of", *reversed(GROUPS[1:]))]
    assert [group.group for group in summaries(report(*shuffled))] == [*GROUPS[1:], "unheard of"]


def test_the_worst_share_of_a_limit_and_what_it_was_measured_on() -> None:
    checks = (
        check(subject="noise", measured=1.0, limit=100.0),
        check(subject="digits", measured=1e-5, limit=1e-4),
        check(subject="digits", measured=9.0),
        check(subject="labels", measured=0, limit=0),
    )
    (group,) = summaries(report(*checks))
    assert group.share == pytest.approx(0.1)
    assert group.subject == "digits, and 2 more"


def test_a_share_that_is_no_number_is_the_worst() -> None:
    (group,) = summaries(report(check(measured=math.nan, limit=1.0), check(measured=9.0, limit=1.0)))
    assert group.share is not None
    assert math.isnan(group.share)


def test_the_subject_is_that_of_the_check_that_decided() -> None:
    checks = (check(subject="noise", measured=0.9, limit=1.0), check("failed", subject="digits"))
    assert summaries(report(*checks))[0].subject == "digits, and 1 more"


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_has_advice_of_its_own(group: str) -> None:
    given = {name: advice(report(check(), check("failed", name))) for name in GROUPS}
    assert given[group].startswith("Do not use it. ")
    assert list(given.values()).count(given[group]) == 1


@pytest.mark.parametrize("kind", ["function", "logits"])
@pytest.mark.parametrize("group", GROUPS)
def test_nobody_is_told_to_export_a_program_of_his_own(kind: str, group: str) -> None:
    own = Report((check("failed", group),), {"python": "3"}, {"name": "theirs", "format": kind}, {})
    assert advice(own).startswith("Do not use it. ")
    assert "export" not in advice(own)


def test_advice_is_about_the_first_group_that_failed() -> None:
    both = report(check("failed", "real data"), check("failed", "weights"))
    assert advice(both) == advice(report(check("failed", "weights")))


def named(name: str, group: str) -> Check:
    return Check(name, "all", "failed", group=group, detail="Why.")


@pytest.mark.parametrize("group", ["contract", "weights"])
def test_another_file_in_the_place_of_the_published_one_is_another_networks(group: str) -> None:
    other = report(named("manifest", "file"), check("failed", group), check("failed", "end to end"))
    assert advice(other) == advice(report(check("failed", group)))
    unsound = report(named("manifest", "file"), named("axes", "file"), check("failed", group))
    assert advice(unsound) == advice(report(check("failed", "file")))
    assert advice(report(named("manifest", "file"))) == advice(report(check("failed", "file")))


def test_other_weights_come_before_what_else_the_file_says() -> None:
    both = report(check("failed", "contract"), check("failed", "weights"))
    assert advice(both) == advice(report(check("failed", "weights")))


def test_advice_where_nothing_failed() -> None:
    assert advice(report(check(), check("not_applicable"))) == ""
    assert "not run" in advice(report(check(), check("not_run")))
    assert advice(report(check("not_run"))) == "Do not use it."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        (0.0, "0%"),
        (0.02054, "2.05%"),
        (1.0, "100%"),
        (1.0000001, "over 100%"),
        (9.6, "960%"),
        (83.2, "83 times"),
        (12345.6, "12,346 times"),
        (1e30, "1.0e+30 times"),
        (math.inf, "not finite"),
        ("nan", "not finite"),
    ],
)
def test_shares_in_words(value: float | str | None, words: str) -> None:
    assert share(value) == words


@given(st.floats(min_value=1, exclude_min=True))
def test_what_is_over_the_limit_never_reads_as_what_is_within(value: float) -> None:
    assert share(value) not in {share(within) for within in (0.99, 0.999, 0.9999, 0.99999, 1.0)}


@pytest.mark.parametrize(("value", "words"), [(None, ""), (61706, "61,706"), (1.23456e-5, "1.23e-05"), ("cpu", "cpu")])
def test_numbers_in_words(value: object, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("größer, 層, 🙂, 1\u2009000", "größer, 層, 🙂, 1\u2009000"),
        ("\x1b[2J\x1b[32mpassed", r"\x1b[2J\x1b[32mpassed"),
        ("two\nlines\r", r"two lines\r"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
        ("a\x00b", r"a\x00b"),
    ],
)
def test_what_would_steer_a_terminal_or_a_browser_is_shown_as_an_escape(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(st.text(st.characters()))
def test_whatever_is_shown_can_be_written(text: str) -> None:
    assert visible(text).encode().decode() == visible(text)
    assert len(visible(text).splitlines()) <= 1
