"""MNIST images per second: ``lenetx.train`` against the textbook loop and against a bare loop on one ready batch.

LENETX_DATA=FOLDER python benchmarks/train_speed.py

``lenetx.train`` reports every 20 steps. While it waits in that call the other two do as many images, so the three
take turns in one process, each baseline in the form and with the threads that are fastest for it. Our time runs from
one report's end to the next one's start: all that its loop does is in it; the validation after each epoch is added in
a column of its own.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from _measure import heading, spread, table, verdict
from torch import Tensor, nn

import lenetx
from lenetx import data as lenetx_data
from lenetx import models
from lenetx.torchvision_loader import import_torchvision

CONFIG = lenetx.TrainConfig(data="mnist", epochs=3)
TEXTBOOK_BATCH = 64
TEXTBOOK_TARGET, BARE_TARGET = 2.0, 0.9
TRIAL_IMAGES, TRIALS = 2560, 3
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}

Loop = Callable[[int], float]
"""Takes a number of images and gives the seconds that training on them took."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds that each took for the same number of images, and whether an epoch of ours ended in it."""

    images: int
    ours: float
    textbook: float
    bare: float
    ends_epoch: bool


def main() -> None:
    heading("Training speed: MNIST, lenet5")
    data = os.environ.get("LENETX_DATA")
    if not data:
        raise SystemExit("Name the folder of MNIST's files in LENETX_DATA.")
    batch = lenetx_data.load(CONFIG.data).batch_size
    textbook_form, textbook = fastest({f"{n} workers": textbook_loop(data, n) for n in (0, 1, 2)})
    bare_form, bare = fastest({name: bare_loop(layout, batch) for name, layout in LAYOUTS.items()})
    turns = take_turns(textbook, bare, batch)
    report(turns, f"textbook, {textbook_form}", f"bare, {bare_form}")
    print(
        f"{len(turns)} turns over {CONFIG.epochs} epochs, threads of ours: {torch.get_num_threads()}; batches of ",
        end="",
    )
    print(f"{batch}, in the textbook loop of {TEXTBOOK_BATCH}. The first 20 steps are not counted.")


def textbook_loop(data: str, workers: int) -> Loop:
    import_torchvision()
    from torchvision import datasets, transforms

    transform = transforms.Compose(
        [transforms.Pad(2), transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    train = datasets.MNIST(data, train=True, transform=transform)
    loader = torch.utils.data.DataLoader(
        train, batch_size=TEXTBOOK_BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    network = models.build("lenet5", (1, 32, 32), 10)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()

    def forever() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = forever()

    def run(images: int) -> float:
        for _ in range(4 * workers):  # what the workers made ready while they were not timed
            next(batches)
        began = time.perf_counter()
        for _ in range(images // TEXTBOOK_BATCH):
            inputs, labels = next(batches)
            optimizer.zero_grad()
            loss = loss_of(network(inputs), labels)
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - began
        time.sleep(0.05 * workers)  # they fill their queue: not on the next one's time
        return seconds

    return run


def bare_loop(layout: torch.memory_format, batch: int) -> Loop:
    network = models.build("lenet5", (1, 32, 32), 10).to(memory_format=layout)
    inputs = torch.randn(batch, 1, 32, 32).to(memory_format=layout)
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def run(images: int) -> float:
        began = time.perf_counter()
        for _ in range(images // batch):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
        return time.perf_counter() - began

    return run


def with_threads(loop: Loop, threads: int) -> Loop:
    """Give the same loop with so many threads of torch, for the time that it runs."""

    def run(images: int) -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return loop(images)
        finally:
            torch.set_num_threads(before)

    return run


def fastest(forms: dict[str, Loop]) -> tuple[str, Loop]:
    """Try the forms of a baseline in turn, with one thread of torch and with all, and take the best one for it."""
    counts = sorted({1, torch.get_num_threads()})
    loops = {f"{name}, {count} threads": with_threads(loop, count) for name, loop in forms.items() for count in counts}
    trials = [{name: loop(TRIAL_IMAGES) for name, loop in loops.items()} for _ in range(1 + TRIALS)]
    seconds = {name: median(trial[name] for trial in trials[1:]) for name in loops}
    print("; ".join(f"{name} {TRIAL_IMAGES / value:,.0f} images/s" for name, value in seconds.items()), flush=True)
    name = min(seconds, key=seconds.__getitem__)
    return name, loops[name]


def take_turns(textbook: Loop, bare: Loop, batch: int) -> list[Turn]:
    turns: list[Turn] = []
    step, began = 0, 0.0

    def between(progress: lenetx.Progress) -> None:
        nonlocal step, began
        seconds, images = time.perf_counter() - began, (progress.step - step) * batch
        if step:
            others = {"textbook": textbook(images), "bare": bare(images)}
            turns.append(Turn(images, seconds, **others, ends_epoch=progress.validation_accuracy is not None))
        step, began = progress.step, time.perf_counter()

    lenetx.train(CONFIG, on_progress=between)
    return turns


def report(turns: list[Turn], textbook: str, bare: str) -> None:
    steps = [turn for turn in turns if not turn.ends_epoch]
    slower = 1 + validation_share(turns)
    rows = [["lenetx.train", spread([turn.images / turn.ours for turn in steps], 0), "", "", "", ""]]
    for name, field, target in ((textbook, "textbook", TEXTBOOK_TARGET), (bare, "bare", BARE_TARGET)):
        speeds = [turn.images / getattr(turn, field) for turn in steps]
        ratios = [getattr(turn, field) / turn.ours for turn in steps]
        ratio = median(ratios) / slower
        judged = [f"{ratio:.2f}", f"≥ {target} ×", verdict(ratio >= target)]
        rows.append([name, spread(speeds, 0), spread(ratios), *judged])
    print()
    table(["", "images/s: median (range)", "ours ÷ it: median (range)", "with validation", "target", ""], rows)
    print(
        f"With validation: the judging after each epoch, which the others have not, makes ours {slower - 1:.1%} slower."
    )


def validation_share(turns: list[Turn]) -> float:
    """Give the time of the validation after an epoch ÷ that of the epoch's steps, from medians."""
    step = median(turn.ours / turn.images for turn in turns if not turn.ends_epoch)
    ends = [turn.ours - step * turn.images for turn in turns if turn.ends_epoch]
    return median(ends) * len(ends) / (step * sum(turn.images for turn in turns))


if __name__ == "__main__":
    main()
