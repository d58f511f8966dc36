"""Train a network from a configuration and return a checkpoint."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from .. import data
from ..data import DataOptions, Dataset
from ..errors import CheckpointError, InputError
from ..execution.host import standard_settings
from ..frames.prepare import prepare
from ..frames.reader import worker_deaths_as_errors
from ..weights.accepted import accepted_instead
from ..weights.checkpoint import CODE, Checkpoint
from ..weights.options import WeightsOptions
from .config import TrainConfig
from .freeze import freeze
from .initial import InitialWeights, normalisation
from .loop import Loop, Record
from .order import seeded
from .outcome import tested_checkpoint, untested_checkpoint
from .parallel import Group, current, device_of, joined
from .progress import Progress
from .start import start
from .state import Identity, State, StateFile, arithmetic, read

__all__ = ["train"]


@standard_settings()
@worker_deaths_as_errors()
def train(
    config: TrainConfig | None = None,
    *,
    data_root: Path | None = None,
    data_options: DataOptions | None = None,
    init: Path | InitialWeights | None = None,
    trust_pickle: bool = False,
    weights_options: WeightsOptions | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Record], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    on_trained: Callable[[Checkpoint], None] = lambda _: None,
    plots: Path | None = None,
    state: Path | None = None,
    resume: bool = False,
    save_every: float = 10.0,
) -> Checkpoint:
    """Train a network and evaluate it once on the test split.

    Under torchrun, every process calls this with the same arguments and gets the same checkpoint.

    Args:
        config: configuration; when ``None``, that of the run to resume, or else the defaults, which train ``lenet5`` on
            ``digits``.
        data_root: folder of the data set's files, see ``lenetx.data.load``.
        data_options: how to read a custom data set, and how much memory any data set may take.
        init: initial weights: a file that ``lenetx.load_weights`` reads, or weights already read from one; random
            weights when ``None``.
        trust_pickle: run the code of the ``init`` file if it cannot be read otherwise.
        weights_options: how to read the ``init`` file. Stated labels are the classes of its last layer, which begins
            untrained if the data's classes differ; a stated mean and std are used for the inputs. For ``resume``,
            ``accept_code`` accepts a custom network whose source has changed since; the checkpoint records that.
        on_progress: called every few steps and after each epoch.
        on_epoch: called with the record of each epoch.
        on_notice: called with a sentence about anything that the caller should know.
        on_trained: called in the leading process with the checkpoint as soon as the last epoch is done, to save it
            before anything else can fail; it has no test figures and no self-test yet.
        plots: folder for plots of the run; no plots when ``None``.
        state: file that the state of the run is regularly written to, to resume from; the caller deletes it
            after saving the checkpoint. No state is written when ``None``.
        resume: continue the run that wrote ``state``. With the same versions, threads and processes on the same
            machine, the result is bit-identical to that of an uninterrupted run.
        save_every: minimum seconds between two writes of ``state``; 0 to write after every step.

    Returns:
        The checkpoint. Its ``metrics`` hold accuracy and mean loss on the test split, and precision and recall per
        class. What failed after the last epoch is missing and was reported to ``on_notice``.

    Raises:
        InputError, DataError: a value or the data set cannot be used, or differs from that of the run to resume.
        CheckpointError: ``state`` or ``init`` cannot be used.
        DeviceUnavailable: the device is not available.
        Diverged: the loss or a weight became NaN or infinite; its ``checkpoint`` holds the weights kept until then.
        LenetxError: another process of the group or a worker that decodes images died.
    """
    saved = _saved(state) if resume else None
    config = config or (saved.identity.config if saved else TrainConfig())
    options = data_options or DataOptions()
    if init is not None and not isinstance(init, InitialWeights):
        init = InitialWeights.read(Path(init), WeightsOptions.of(weights_options, trust_pickle=trust_pickle), on_notice)
    group = current()
    device = device_of(config.device, group)
    with joined(group, device):
        dataset = data.load(config.data, data_root, options=options, classes=config.classes)
        if config.data not in data.SOURCES:  # only the base name of a local path is recorded
            config = dataclasses.replace(config, data=dataset.name)
        _require_full_batch(config.batch_size or 1, len(dataset.train))
        begun = start(config, dataset, group.count)
        if init is not None:
            init.put_into(begun.network, begun.architecture, begun.spec, on_notice)
        freeze(begun.network, config.freeze)
        for notice in begun.notices:
            on_notice(notice)
        stated = normalisation(init, saved.identity if saved else None, begun.spec.channels)
        ready = prepare(dataset, begun.spec, device, options, on_notice, stated)
        config = _with_defaults(begun.config, dataset, len(ready.train), group)
        origin = init.record() if init is not None else {}
        identity = Identity(config, ready.spec, dataset.digest(), arithmetic(group.count), origin)
        skipped: Record = {"skipped_rows": ready.skipped} if options.skip_bad else {}
        with seeded(config.seed, device):
            loop = Loop(begun.network.to(device), ready.train, ready.validation, config, group)
            if saved is not None:
                accept_code = weights_options is not None and weights_options.accept_code
                identity = saved.continued(identity, accept_code=accept_code)
                _go_on(loop, saved, identity, on_notice)
            leads = group.leads
            file = StateFile(state, identity, save_every, on_notice) if state is not None and leads else None
            found = loop.run(on_progress, lambda record: on_epoch(record | skipped), file)
        checkpoint = untested_checkpoint(begun, found, identity, group, skipped)
        if checkpoint is not None:
            if leads:
                on_trained(checkpoint)
            checkpoint = tested_checkpoint(
                checkpoint, begun, found, ready, identity, plots if leads else None, on_notice
            )
        if found.diverged is None:
            assert checkpoint is not None, "there is at least one epoch"
            return checkpoint
        found.diverged.checkpoint = checkpoint
        raise found.diverged


def _saved(state: Path | None) -> State:
    if state is None:
        raise InputError("There is nothing to resume: name the file with the run's state.")
    return read(state)


def _with_defaults(config: TrainConfig, dataset: Dataset, images: int, group: Group) -> TrainConfig:
    """Fill in omitted epochs and batch size with the data set's defaults."""
    batch_size = config.batch_size or min(dataset.batch_size, images)
    _require_full_batch(batch_size, images)  # skipped rows leave fewer images than before
    if batch_size < group.count:
        raise InputError(f"The batch size is {batch_size}, but {group.count} processes share each batch.")
    return dataclasses.replace(config, epochs=config.epochs or dataset.epochs, batch_size=batch_size)


def _require_full_batch(size: int, images: int) -> None:
    if size > images:
        raise InputError(f"The batch size is {size}, but there are {images} training images.")


def _go_on(loop: Loop, saved: State, identity: Identity, on_notice: Callable[[str], None]) -> None:
    """Restore the saved state into a fresh loop, and tell what differs.

    Raises:
        CheckpointError: the saved state does not fit the loop.
    """
    if CODE in identity.origin:
        on_notice(f"{accepted_instead(identity.spec.architecture, identity.origin[CODE])}.")
    if differing := saved.differing_arithmetic(identity):
        on_notice(f"The last bits may differ from those of a run that was not interrupted: {differing}.")
    try:
        loop.load_state_dict(saved.loop)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"The state of the run does not fit its network ({reason}).") from None
