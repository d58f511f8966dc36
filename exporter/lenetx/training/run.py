"""From a configuration to a checkpoint."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from .. import data
from ..data import DataOptions, Dataset
from ..errors import CheckpointError, InputError
from ..execution.host import own_settings
from ..frames.prepare import prepare
from ..frames.reading import worker_deaths_in_words
from ..weights.checkpoint import Checkpoint
from .config import TrainConfig
from .freeze import freeze
from .initial import InitialWeights
from .loop import Loop, Record
from .order import seeded
from .outcome import completed, kept
from .parallel import Group, current, device_of, joined
from .progress import Progress
from .start import start
from .state import Identity, State, StateFile, arithmetic, read

__all__ = ["train"]


@own_settings()
@worker_deaths_in_words()
def train(
    config: TrainConfig | None = None,
    *,
    data_root: Path | None = None,
    data_options: DataOptions | None = None,
    init: Path | InitialWeights | None = None,
    trust_pickle: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Record], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    on_trained: Callable[[Checkpoint], None] = lambda _: None,
    plots: Path | None = None,
    state: Path | None = None,
    resume: bool = False,
    save_every: float = 10.0,
) -> Checkpoint:
    """Train a network and judge it once on the test split.

    Under torchrun every process calls this with the same arguments, and gets the same checkpoint.

    Args:
        config: what to train; the defaults train ``lenet5`` on ``digits``, or go on with what is resumed.
        data_root: folder of the data set's files, see ``lenetx.data.load``.
        data_options: how to read a set of one's own, and how much of any set may lie in memory.
        init: file of the weights to begin with, as ``lenetx.load_weights`` reads it, or what was read from one;
            random ones when ``None``.
        trust_pickle: run the code of such a file that cannot be read without.
        on_progress: called every few steps and after each epoch.
        on_epoch: called with the record of each epoch.
        on_notice: told what the caller should know and did not ask for, a sentence at a time.
        on_trained: called in the leading process with the checkpoint as soon as the last epoch is done, so that it can
            be saved before anything else: it has no figures of the test split and no self-test yet.
        plots: folder for pictures of the run.
        state: file to write now and then, from which the run can be resumed; the caller deletes it once the
            checkpoint is saved.
        resume: go on with the run that wrote ``state``: with the same threads and processes on the same machine, to
            the same bits.
        save_every: seconds between two writings of ``state``; 0 for every step.

    Returns:
        The checkpoint, its ``metrics`` holding the test split's accuracy, average loss, and precision and recall by
        class. What could not be made after the last epoch is missing, and ``on_notice`` was told why.

    Raises:
        InputError, DataError: a value or data set that cannot be used, or that is not that of the run to resume.
        CheckpointError: ``state`` or ``init`` cannot be used.
        DeviceUnavailable: the device is not there.
        Diverged: the loss became NaN or infinite; its ``checkpoint`` holds the weights kept until then.
    """
    saved = _saved(state) if resume else None
    config = config or (saved.identity.config if saved else TrainConfig())
    options = data_options or DataOptions()
    if init is not None and not isinstance(init, InitialWeights):
        init = InitialWeights.read(Path(init), trust_pickle=trust_pickle, on_notice=on_notice)
    group = current()
    device = device_of(config.device, group)
    with joined(group, device):
        dataset = data.load(config.data, data_root, options=options, classes=config.classes)
        if config.data not in data.SOURCES:  # a path of this machine, of which the base name is recorded
            config = dataclasses.replace(config, data=dataset.name)
        _require_full_batch(config.batch_size or 1, len(dataset.train))
        begun = start(config, dataset, group.count)
        if init is not None:
            init.put_into(begun.network, begun.architecture, begun.spec, on_notice)
        freeze(begun.network, config.freeze)
        for notice in begun.notices:
            on_notice(notice)
        ready = prepare(dataset, begun.spec, device, options, on_notice)
        config = _with_defaults(begun.config, dataset, len(ready.train), group)
        origin = init.record() if init is not None else {}
        identity = Identity(config, ready.spec, dataset.digest(), arithmetic(group.count), origin)
        skipped: Record = {"skipped_rows": ready.skipped} if options.skip_bad else {}
        with seeded(config.seed, device):
            loop = Loop(begun.network.to(device), ready.train, ready.validation, config, group)
            if saved is not None:
                identity = _go_on(loop, saved, identity, on_notice)
            leads = group.leads
            file = StateFile(state, identity, save_every, on_notice) if state is not None and leads else None
            found = loop.run(on_progress, lambda record: on_epoch(record | skipped), file)
        checkpoint = kept(begun, found, identity, group, skipped)
        if checkpoint is not None:
            if leads:
                on_trained(checkpoint)
            checkpoint = completed(checkpoint, begun, found, ready, identity, plots if leads else None, on_notice)
        if found.diverged is None:
            assert checkpoint is not None, "there is at least one epoch"
            return checkpoint
        found.diverged.checkpoint = checkpoint
        raise found.diverged


def _saved(state: Path | None) -> State:
    if state is None:
        raise InputError("There is nothing to resume: name the file of the run's state.")
    return read(state)


def _with_defaults(config: TrainConfig, dataset: Dataset, images: int, group: Group) -> TrainConfig:
    """Fill in what the data set says where nobody else does."""
    batch_size = config.batch_size or min(dataset.batch_size, images)
    _require_full_batch(batch_size, images)  # fewer than there were, where rows are skipped
    if batch_size < group.count:
        raise InputError(f"The batch size is {batch_size}, but {group.count} processes share each batch.")
    return dataclasses.replace(config, epochs=config.epochs or dataset.epochs, batch_size=batch_size)


def _require_full_batch(size: int, images: int) -> None:
    if size > images:
        raise InputError(f"The batch size is {size}, but there are {images} training images.")


def _go_on(loop: Loop, saved: State, identity: Identity, on_notice: Callable[[str], None]) -> Identity:
    """Put a fresh loop where the saved one stood, and give the identity that it goes on with.

    Raises:
        InputError: the run is another one.
        CheckpointError: what was saved does not fit.
    """
    saved.require_same(identity)
    if differing := saved.differing_arithmetic(identity):
        on_notice(f"The last bits may differ from those of a run that was not interrupted: {differing}.")
    try:
        loop.load_state_dict(saved.loop)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"The state of the run does not fit its network ({reason}).") from None
    return dataclasses.replace(identity, origin=saved.identity.origin)
