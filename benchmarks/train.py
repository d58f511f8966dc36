"""Measure on MNIST how fast ``lenetx.train`` is, and the accuracy and time of its recipes.

LENETX_DATA=FOLDER python benchmarks/train.py [speed] [memory] [fast] [default] [accurate]

Speed: ``lenetx.train`` reports every 20 steps. During that callback the baselines train on the same number of images,
so all alternate in one process, each baseline in its fastest form and thread count. Our time is measured from the end
of one callback to the start of the next, so it includes everything in the loop; the validation after each epoch has
its own column.

Recipes: one seed after the other, the one-epoch recipe alternating with ``fast``. Accuracy is measured on the test
split after the last epoch, never the best one; seconds include validations but not reading the data.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from _measure import heading, python, run_process, spread, table, verdict
from _train_loops import LAYOUTS, Loop, OneCycle, bare_loop, fastest, textbook_loop

import lenetx
from lenetx import Augmentation, TrainConfig, settle

SPEED = TrainConfig(data="mnist", epochs=3, batch_size=256, augmentation=Augmentation())
AUGMENTED = replace(SPEED, augmentation=Augmentation(shift=1, rotate=8, scale=0.1, shear=0.1))
TEXTBOOK_TARGET, BARE_TARGET, AUGMENTATION_TARGET, MEMORY_TARGET = 2.5, 0.95, 0.25, 1536.0
RECIPES = {"fast": (10, 0.990, None), "default": (5, 0.992, 30.0), "accurate": (5, 0.995, 240.0)}
"""Number of seeds, target mean accuracy, and maximum seconds."""
FAST_TARGET = 1.0
PARTS = ("speed", "memory", *RECIPES)


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds that each program took for the same number of images, and whether our epoch ended during them."""

    images: int
    ours: float
    textbook: float
    bare: float
    ends_epoch: bool


def main() -> None:
    heading("Training on MNIST: lenet5")
    data = os.environ.get("LENETX_DATA")
    if not data:
        raise SystemExit("Name the folder of MNIST's files in LENETX_DATA.")
    parts = sys.argv[1:] or PARTS
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
    print(f"Threads of torch: {torch.get_num_threads()}.\n")
    if "speed" in parts:
        speed(data)
    if "memory" in parts:
        memory()
    for name in RECIPES:
        if name in parts:
            fast() if name == "fast" else recipe(name)


def speed(data: str) -> None:
    textbook_form, textbook = fastest({f"{n} workers": textbook_loop(data, n) for n in (0, 1, 2)})
    bare_form, bare = fastest({name: bare_loop(layout, SPEED.batch_size) for name, layout in LAYOUTS.items()})
    plain = take_turns(SPEED, textbook, bare)
    augmented = take_turns(AUGMENTED, textbook, bare)
    names = (f"textbook, {textbook_form}", "textbook", TEXTBOOK_TARGET), (f"bare, {bare_form}", "bare", BARE_TARGET)
    steps = [turn for turn in plain if not turn.ends_epoch]
    slower = 1 + validation_share(plain)
    rows = [["lenetx.train", spread([turn.images / turn.ours for turn in steps], 0), "", "", "", ""]]
    for name, field, target in names:
        speeds = [turn.images / getattr(turn, field) for turn in steps]
        ratios = [getattr(turn, field) / turn.ours for turn in steps]
        judged = [f"{median(ratios) / slower:.2f}", f"≥ {target} ×", verdict(median(ratios) >= target)]
        rows.append([name, spread(speeds, 0), spread(ratios), *judged])
    print()
    table(["", "images/s: median (range)", "ours ÷ it: median (range)", "with validation", "target", ""], rows)
    costs = [relative([turn for turn in some if not turn.ends_epoch]) for some in (plain, augmented)]
    cost = costs[1] / costs[0] - 1
    print(
        f"{len(plain)} turns over {SPEED.epochs} epochs of batches of {SPEED.batch_size}, in the textbook loop of 64; "
        f"the first 20 steps are not counted. The validation after each epoch, which the others have not, makes ours "
        f"{slower - 1:.1%} slower. Augmentation (shift, rotate, scale, shear) adds {cost:.1%} to a step's time "
        f"(target ≤ {AUGMENTATION_TARGET:.0%}): {verdict(cost <= AUGMENTATION_TARGET)}.\n",
        flush=True,
    )


def relative(turns: Sequence[Turn]) -> float:
    """Return the median of our time ÷ the bare loop's; load from other programs cancels out."""
    return median(turn.ours / turn.bare for turn in turns)


def take_turns(config: TrainConfig, textbook: Loop, bare: Loop) -> list[Turn]:
    turns: list[Turn] = []
    step, began = 0, 0.0

    def between(progress: lenetx.Progress) -> None:
        nonlocal step, began
        seconds, images = time.perf_counter() - began, (progress.step - step) * config.batch_size
        if step and images:
            others = {"textbook": textbook(images), "bare": bare(images)}
            turns.append(Turn(images, seconds, **others, ends_epoch=progress.validation_accuracy is not None))
        step, began = progress.step, time.perf_counter()

    lenetx.train(config, on_progress=between)
    return turns


def validation_share(turns: list[Turn]) -> float:
    """Return the time of the validations ÷ that of the steps, from medians."""
    step = median(turn.ours / turn.images for turn in turns if not turn.ends_epoch)
    ends = [turn.ours - step * turn.images for turn in turns if turn.ends_epoch]
    return median(ends) * len(ends) / (step * sum(turn.images for turn in turns))


def memory() -> None:
    """Measure the command's peak memory; a small intermediate process starts it, so that only its memory counts."""
    command = ["-m", "lenetx_cli", "train", "--data", "mnist", "--epochs", "1", "--quiet", "-o"]
    probe = (
        "import resource, subprocess, sys; "
        "code = subprocess.call([sys.executable, *sys.argv[1:]]); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024); sys.exit(code)"
    )
    with tempfile.TemporaryDirectory() as folder:
        output = run_process(python("-c", probe, *command, Path(folder, "net.pt"))).output
    peak = float(output.splitlines()[-1])
    met = verdict(peak <= MEMORY_TARGET)
    print(f"Peak memory of lenetx train --data mnist: {peak:,.0f} MiB (target ≤ {MEMORY_TARGET:,.0f}): {met}.\n")


@dataclass(frozen=True, slots=True)
class Result:
    """Training time in seconds, and test accuracy (0.0 to 1.0)."""

    seconds: float
    accuracy: float


def trained(name: str, seed: int) -> Result:
    records: list[dict[str, float]] = []
    config = settle({"data": "mnist", "seed": seed, "keep": "last"}, name=name)
    checkpoint = lenetx.train(config, on_epoch=records.append)
    result = Result(records[-1]["seconds"], checkpoint.metrics["test_accuracy"])
    print(f"{name}, seed {seed}: {result.accuracy:.2%} in {result.seconds:.1f} s", flush=True)
    return result


def fast() -> None:
    seeds, wanted, _ = RECIPES["fast"]
    form, one_cycle = OneCycle().fastest()
    pairs = []
    for seed in range(seeds):
        theirs = one_cycle(seed)
        print(f"one-epoch recipe, seed {seed}: {theirs.accuracy:.2%} in {theirs.seconds:.1f} s", flush=True)
        pairs.append((trained("fast", seed), theirs))
    ours, theirs = zip(*pairs, strict=True)
    ratios = [mine.seconds / other.seconds for mine, other in pairs]
    print()
    table(
        ["", "test accuracy: mean ± std", "seconds: median (range)"],
        [
            [name, mean_std(some), spread([each.seconds for each in some], 1)]
            for name, some in (("--recipe fast", ours), (f"one epoch, {form}", theirs))
        ],
    )
    met = median(ratios) <= FAST_TARGET and mean(ours) >= wanted
    print(
        f"{seeds} seeds; fast ÷ one epoch: {spread(ratios)} (target ≤ {FAST_TARGET} × with a mean of at least "
        f"{wanted:.1%}): {verdict(met)}.\n",
        flush=True,
    )


def recipe(name: str) -> None:
    seeds, wanted, most = RECIPES[name]
    found = [trained(name, seed) for seed in range(seeds)]
    longest = max(each.seconds for each in found)
    met = mean(found) >= wanted and longest <= most
    print(
        f"\n--recipe {name}, {seeds} seeds: {mean_std(found)} in {spread([each.seconds for each in found], 1)} s "
        f"(target: a mean of at least {wanted:.1%} in at most {most:.0f} s each): {verdict(met)}.\n",
        flush=True,
    )


def mean(found: Sequence[Result]) -> float:
    return statistics.mean(each.accuracy for each in found)


def mean_std(found: Sequence[Result]) -> str:
    return f"{mean(found):.3%} ± {statistics.stdev(each.accuracy for each in found):.3%}"


if __name__ == "__main__":
    main()
