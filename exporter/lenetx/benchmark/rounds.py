"""Let the processes take turns: round after round, every configuration at every batch size."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from .configuration import Configuration
from .process import EngineFailed, Process

__all__ = ["FULL", "QUICK", "Pace", "Progress", "Timed", "take_turns"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a benchmark takes.

    Attributes:
        rounds: number of rounds.
        seconds: of one turn.
        least: fewest calls of one turn.
        loads: number of rounds in which the file is opened again.
    """

    rounds: int
    seconds: float
    least: int
    loads: int


FULL, QUICK = Pace(15, 0.15, 7, 7), Pace(9, 0.04, 3, 3)


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a benchmark.

    Attributes:
        done: number of steps done.
        total: number of steps.
        seconds_left: estimated; ``None`` before the first round.
        words: the current step.
    """

    done: int
    total: int
    seconds_left: float | None
    words: str


@dataclass(slots=True)
class Timed:
    """What the process of one configuration has answered.

    Attributes:
        load_seconds: of each opening of the file.
        peak_bytes: memory after the first call; ``None`` if the engine did not start.
        times: nanoseconds of the calls of each round, by batch size.
        labels: the label index of each test image; ``None`` if there are none.
        problems: why there are no times of a batch size, or, with the key 0, of any.
        note: why there are no labels, if the engine raised an error.
    """

    load_seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    times: dict[int, list[list[int]]] = field(default_factory=dict)
    labels: list[int] | None = None
    problems: dict[int, str] = field(default_factory=dict)
    note: str = ""


Show = Callable[[Progress], None]


def take_turns(
    configurations: Sequence[Configuration],
    batches: tuple[int, ...],
    pace: Pace,
    frames: Mapping[str, str],
    show: Show = lambda _: None,
) -> list[Timed]:
    """Start a process for each configuration, time them in turns, and return what each answered.

    The first round does not count. The order of the turns moves on by one in each round.

    Args:
        configurations: what to time.
        batches: images per call.
        pace: how long it takes.
        frames: paths of .npy files of test images, by checkpoint; configurations of others get no labels.
        show: called after each turn.
    """
    found = [Timed() for _ in configurations]
    turns = sum(len(each.batches(batches)) for each in configurations)
    meter = _Meter(show, len(configurations) * 2 + turns * (pace.rounds + 1))
    with ExitStack() as stack:
        runners = [_Runner(stack, *each) for each in zip(configurations, found, strict=True)]
        for runner in runners:
            meter.step(runner.start, f"opening {runner.asked.name}, {runner.asked.words}")
        meter.rounds_begin()
        for number in range(pace.rounds + 1):
            first = number % max(1, len(runners))
            for batch in sorted({size for each in configurations for size in each.batches(batches)}):
                for runner in (*runners[first:], *runners[:first]):
                    if batch in runner.asked.batches(batches):
                        words = f"round {number} of {pace.rounds}" if number else "warm-up"
                        meter.step(lambda r=runner, b=batch, n=number: r.turn(b, pace, counts=n > 0), words)  # type: ignore[misc]
            if 0 < number <= pace.loads:
                for runner in runners:
                    runner.load()
        for runner in runners:
            path = frames.get(runner.asked.checkpoint)
            meter.step(lambda r=runner, p=path: r.label(p), "labelling the test images")  # type: ignore[misc]
    return found


class _Runner:
    """Ask the process of one configuration, and keep its answers.

    A process that ends loses only what it was asked for: another one takes its place.
    """

    def __init__(self, stack: ExitStack, asked: Configuration, found: Timed) -> None:
        self.asked, self._stack, self._found = asked, stack, found
        self._process = stack.enter_context(Process(asked))

    def start(self) -> None:
        """Wait until the engine is ready."""
        try:
            answer = self._process.ready()
        except EngineFailed as error:
            self._found.problems[0] = str(error)
            self._found.times.clear()
            return
        self._found.load_seconds.append(answer["load"])
        self._found.peak_bytes = self._found.peak_bytes or answer["peak"] or None

    def turn(self, batch: int, pace: Pace, *, counts: bool) -> None:
        """Time one batch size, unless it failed before."""
        if batch in self._found.problems:
            return
        times, problem = self._ask("time", batch=batch, seconds=pace.seconds, least=pace.least)
        if problem:
            self._found.problems[batch] = problem
            self._found.times.pop(batch, None)
        elif times and counts:
            self._found.times.setdefault(batch, []).append(times)

    def load(self) -> None:
        """Open the file once more."""
        nanoseconds, problem = self._ask("load")
        if nanoseconds:
            self._found.load_seconds.append(nanoseconds / 1e9)
        self._found.note = self._found.note or problem

    def label(self, frames: str | None) -> None:
        """Label the test images."""
        if frames is not None:
            self._found.labels, problem = self._ask("labels", frames=frames, batch=self.asked.batch or _LABELLED)
            self._found.note = self._found.note or problem

    def _ask(self, kind: str, **request: Any) -> tuple[Any, str]:
        """Return the answer, or ``None`` and the reason; the reason is empty if the engine never started."""
        if self._process.is_dead:
            return None, ""
        try:
            return self._process.ask(kind, **request), ""
        except EngineFailed as error:
            if self._process.is_dead:
                self._process = self._stack.enter_context(Process(self.asked))
                self.start()
            return None, str(error)


_LABELLED = 64
"""Images per call while the test images are labelled."""


class _Meter:
    """Count steps, and estimate the time left from the turns so far."""

    def __init__(self, show: Show, total: int) -> None:
        self._show, self._total, self._done = show, total, 0
        self._began, self._before = time.monotonic(), 0

    def rounds_begin(self) -> None:
        """Estimate from here on: opening files tells nothing about turns."""
        self._began, self._before = time.monotonic(), self._done

    def step(self, work: Callable[[], None], words: str) -> None:
        """Show the words, and do one step."""
        steps = self._done - self._before
        enough = self._before and steps > 0
        left = (time.monotonic() - self._began) / steps * (self._total - self._done) if enough else None
        self._show(Progress(self._done, self._total, left, words))
        work()
        self._done += 1
