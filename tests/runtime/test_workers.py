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


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_results_come_in_the_order_of_the_parts(workers, count):
    def slow_first(part):
        time.sleep(0.002 * (count - part) / max(1, count))
        return -part

    assert list(workers.map(slow_first, range(count))) == [-part for part in range(count)]


def test_several_are_at_work_at_once():
    together = threading.Barrier(3, timeout=20)
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


@pytest.mark.timeout(60)
def test_work_that_shares_its_own_work_does_not_wait_for_itself():
    workers = Workers(2)
    found = workers.map(lambda part: sum(workers.map(lambda inner: inner, range(part, part + 5))), range(20))
    assert list(found) == [5 * part + 10 for part in range(20)]
    workers.close()
