"""Parts that are shared among threads come back in their order, errors in their place; few are asked for ahead."""

import itertools
import threading
import time

import pytest

from lenetx_runtime import LenetxError
from lenetx_runtime.workers import Workers


@pytest.fixture(params=[1, 2, 5])
def workers(request):
    made = Workers(request.param)
    yield made
    made.close()


@pytest.mark.parametrize("way", [Workers.map, Workers.together])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_results_come_in_the_order_of_the_parts(workers, count, way):
    def slow_first(part):
        time.sleep(0.002 * (count - part) / max(1, count))
        return -part

    assert list(way(workers, slow_first, range(count))) == [-part for part in range(count)]


def test_several_are_at_work_at_once():
    together = threading.Barrier(3, timeout=250)
    workers = Workers(3)
    assert sorted(workers.map(lambda _: together.wait(), range(3))) == [0, 1, 2]
    workers.close()


def test_a_single_part_and_a_single_worker_stay_in_the_thread_that_asks():
    here = threading.get_ident()
    assert list(Workers(4).map(lambda _: threading.get_ident(), [0])) == [here]
    assert set(Workers(1).map(lambda _: threading.get_ident(), range(9))) == {here}
    assert here not in set(Workers(2).map(lambda _: threading.get_ident(), range(9)))


def test_of_parts_without_an_end_only_a_few_are_taken(workers):
    taken = itertools.count()
    results = workers.map(lambda part: part, (next(taken) for _ in itertools.repeat(None)))
    assert [next(results) for _ in range(10)] == list(range(10))
    results.close()
    assert next(taken) <= 10 + workers.count + 2


class Failure(Exception):
    pass


@pytest.mark.parametrize("bad", [0, 1, 2, 7])
def test_an_error_of_the_work_comes_after_all_that_is_before_it(workers, bad):
    def work(part):
        if part == bad:
            raise Failure
        return part

    results = workers.map(work, range(9))
    assert [next(results) for _ in range(bad)] == list(range(bad))
    with pytest.raises(Failure):
        next(results)


@pytest.mark.parametrize("bad", [0, 1, 2, 7])
def test_so_does_an_error_of_the_parts(workers, bad):
    def parts():
        yield from range(bad)
        raise Failure

    results = workers.map(lambda part: part, parts())
    assert [next(results) for _ in range(bad)] == list(range(bad))
    with pytest.raises(Failure):
        next(results)


def test_after_it_was_left_halfway_and_closed_no_thread_is_left():
    before = threading.active_count()
    workers = Workers(3)
    results = workers.map(lambda part: part, range(100))
    next(results)
    results.close()
    workers.close()
    workers.close()
    assert threading.active_count() == before


def test_closed_it_shares_nothing_more():
    workers = Workers(2)
    results = workers.map(lambda part: part, range(100))
    next(results)
    workers.close()
    with pytest.raises(LenetxError, match="closed"):
        list(results)
    with pytest.raises(LenetxError, match="closed"):
        list(workers.map(str, range(3)))


def test_work_that_shares_its_own_work_does_not_wait_for_itself():
    workers = Workers(2)
    found = workers.map(lambda part: sum(workers.map(lambda inner: inner, range(part, part + 5))), range(20))
    assert list(found) == [5 * part + 10 for part in range(20)]
    workers.close()


def test_of_all_the_thread_that_asks_does_its_share():
    here = threading.get_ident()
    together = threading.Barrier(3, timeout=250)
    workers = Workers(3)

    def work(_):
        together.wait()
        return threading.get_ident()

    threads = workers.together(work, range(3))
    assert here in threads
    assert len(set(threads)) == 3
    assert set(Workers(1).together(lambda _: threading.get_ident(), range(9))) == {here}
    assert Workers(9).together(lambda _: threading.get_ident(), [0]) == [here]
    workers.close()


def test_of_all_nothing_waits_for_threads_that_are_busy_with_something_else(workers):
    """Every thread of the pool is held: what would be theirs is done by the one that asks."""
    release, held = threading.Event(), threading.Semaphore(0)

    def hold(_):
        held.release()
        assert release.wait(250)

    holding = threading.Thread(target=lambda: list(workers.map(hold, range(workers.count))))
    if workers.count > 1:
        holding.start()
        for _ in range(workers.count):
            assert held.acquire(timeout=250)
    here = threading.get_ident()
    assert set(workers.together(lambda _: threading.get_ident(), range(9))) == {here}
    release.set()
    if workers.count > 1:
        holding.join(250)


@pytest.mark.parametrize("bad", [(0,), (1,), (7,), (8,), (1, 2), (0, 8)])
def test_all_raises_the_error_of_the_first_part_that_fails_and_leaves_nothing_at_work(workers, bad):
    at_work = []

    def work(part):
        at_work.append(part)
        try:
            time.sleep(0.001 * (9 - part))  # those behind it fail before it
            if part in bad:
                raise Failure(part)
        finally:
            at_work.remove(part)

    with pytest.raises(Failure) as caught:
        workers.together(work, range(9))
    assert caught.value.args == (min(bad),)
    assert at_work == []
    assert workers.together(str, range(9)) == [*map(str, range(9))]


def test_all_that_was_interrupted_takes_no_more_parts():
    """The interrupt comes to the thread that asks, as Python does it."""
    here, taken, workers, raised = threading.get_ident(), [], Workers(2), threading.Event()

    def work(part):
        taken.append(part)
        if threading.get_ident() == here:
            raised.set()
            raise KeyboardInterrupt
        assert raised.wait(250)
        time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        workers.together(work, range(1000))
    assert len(taken) < 1000
    assert len(set(workers.together(lambda _: threading.get_ident(), range(3)))) <= 2
    workers.close()


def test_all_within_all_does_not_wait_for_itself():
    workers = Workers(2)
    found = workers.together(lambda part: sum(workers.together(lambda inner: inner, range(part, part + 5))), range(20))
    assert found == [5 * part + 10 for part in range(20)]
    both = threading.Barrier(2, timeout=250)

    def meeting(_):
        both.wait()
        return threading.get_ident()

    assert len(set(workers.together(meeting, range(4)))) == 2
    workers.close()


def test_closed_it_does_not_begin_all():
    workers = Workers(2)
    workers.close()
    with pytest.raises(LenetxError, match="closed"):
        workers.together(str, range(3))


def test_where_no_thread_can_be_started_the_one_that_asks_does_it_all(monkeypatch):
    workers = Workers(3)

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(workers._started(), "submit", refuse)
    assert workers.together(str, range(9)) == [*map(str, range(9))]
    workers.close()


def test_what_ends_a_helping_thread_is_raised_and_the_others_are_waited_for():
    here, at_work, workers, ended = threading.get_ident(), set(), Workers(3), threading.Event()

    def work(part):
        if threading.get_ident() == here:
            assert ended.wait(250)
        elif part % 2:
            ended.set()
            raise SystemExit(7)
        at_work.add(part)
        time.sleep(0.02)
        at_work.remove(part)

    with pytest.raises(SystemExit):
        workers.together(work, range(20))
    assert at_work == set()
    workers.close()
