"""Implement the baselines for training: the textbook loop, a bare loop on one ready batch, and a one-epoch recipe.

Each is written for speed, and is tried with one thread of torch and with all of them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from lenetx import data as lenetx_data
from lenetx import models
from lenetx.torchvision_loader import import_torchvision

__all__ = ["LAYOUTS", "Loop", "OneCycle", "bare_loop", "fastest", "textbook_loop", "with_threads"]

TEXTBOOK_BATCH = 64
TRIAL_IMAGES, TRIALS = 2560, 3
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}

Loop = Callable[[int], float]
"""Trains on a number of images and returns the seconds that it took."""


def textbook_loop(data: str, workers: int) -> Loop:
    """Return the usual tutorial loop: torchvision's data set and transforms, a DataLoader, Adam."""
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
        for _ in range(4 * workers):  # discard what the workers prepared outside of the timed part
            next(batches)
        began = time.perf_counter()
        for _ in range(images // TEXTBOOK_BATCH):
            inputs, labels = next(batches)
            optimizer.zero_grad()
            loss = loss_of(network(inputs), labels)
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - began
        time.sleep(0.05 * workers)  # let the workers fill their queue before the next loop is timed
        return seconds

    return run


def bare_loop(layout: torch.memory_format, batch: int) -> Loop:
    """Return a loop that trains on the same ready batch in every step: the upper limit for torch."""
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
    """Return the loop, run with this number of torch threads."""

    def run(images: int) -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return loop(images)
        finally:
            torch.set_num_threads(before)

    return run


def fastest(forms: dict[str, Loop]) -> tuple[str, Loop]:
    """Time the forms of a baseline alternately, with one thread of torch and with all, and return the fastest."""
    counts = sorted({1, torch.get_num_threads()})
    loops = {f"{name}, {count} threads": with_threads(loop, count) for name, loop in forms.items() for count in counts}
    trials = [{name: loop(TRIAL_IMAGES) for name, loop in loops.items()} for _ in range(1 + TRIALS)]
    seconds = {name: median(trial[name] for trial in trials[1:]) for name in loops}
    print("; ".join(f"{name} {TRIAL_IMAGES / value:,.0f} images/s" for name, value in seconds.items()), flush=True)
    name = min(seconds, key=seconds.__getitem__)
    return name, loops[name]


@dataclass(frozen=True, slots=True)
class Trained:
    """Training time in seconds, and test accuracy (0.0 to 1.0) after the last epoch."""

    seconds: float
    accuracy: float


class OneCycle:
    """Train one epoch over all 60,000 images: one-cycle, batch 256, Adam with betas (0.7, 0.9), learning rate 1e-2.

    The network is conv 24@5×5 – pool – conv 32@3×3 – pool – 256 – 10. The images are prepared as float32 and the
    optimizer is fused; reading and normalising are not timed.
    """

    def __init__(self) -> None:
        dataset = lenetx_data.load("mnist")
        parts = dataset.train, dataset.validation
        images = torch.cat([torch.from_numpy(part.images) for part in parts])
        self._labels = torch.cat([torch.from_numpy(part.labels) for part in parts])
        self._images = _normalised(images)
        self._test = _normalised(torch.from_numpy(dataset.test.images)), torch.from_numpy(dataset.test.labels)

    def train(self, seed: int, layout: torch.memory_format, threads: int, images: int | None = None) -> Trained:
        """Train once, on all images or on ``images`` of them."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 24, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(24, 32, 3), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * 5 * 5, 256), nn.ReLU(), nn.Linear(256, 10),
        ).to(memory_format=layout)  # fmt: skip
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, betas=(0.7, 0.9), fused=True)
        began = time.perf_counter()
        batches = torch.randperm(images or len(self._labels)).split(256)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=1e-2, total_steps=len(batches), cycle_momentum=False
        )
        for rows in batches:
            optimizer.zero_grad(set_to_none=True)
            logits = network(self._images.index_select(0, rows))
            nn.functional.cross_entropy(logits, self._labels.index_select(0, rows)).backward()
            optimizer.step()
            schedule.step()
        seconds = time.perf_counter() - began
        accuracy = self._accuracy(network)
        torch.set_num_threads(before)
        return Trained(seconds, accuracy)

    def fastest(self) -> tuple[str, Callable[[int], Trained]]:
        """Time memory layouts and thread counts on some images, and return the fastest as (name, seed → result)."""
        forms = {
            f"{name}, {threads} threads": (layout, threads)
            for name, layout in LAYOUTS.items()
            for threads in sorted({1, torch.get_num_threads()})
        }
        trials = [{name: self.train(0, *form, 5120).seconds for name, form in forms.items()} for _ in range(1 + TRIALS)]
        seconds = {name: median(trial[name] for trial in trials[1:]) for name in forms}
        name = min(seconds, key=seconds.__getitem__)
        return name, lambda seed: self.train(seed, *forms[name])

    def _accuracy(self, network: nn.Module) -> float:
        images, labels = self._test
        network.eval()
        with torch.inference_mode():
            found = torch.cat([network(part).argmax(1) for part in images.split(1000)])
        return float((found == labels).double().mean())


def _normalised(images: Tensor) -> Tensor:
    return ((images.float() / 255 - 0.1307) / 0.3081).unsqueeze(1)
