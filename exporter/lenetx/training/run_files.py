"""The files that a run reads and writes: its checkpoint, its state and its history."""

import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .. import data, models
from ..errors import InputError, OutputError
from ..files import ARTIFACTS, newest, remove_leftovers, require_writable
from ..weights.checkpoint import Checkpoint
from ..weights.checkpoint_file import save
from .config import TrainConfig
from .initial import InitialWeights
from .progress import Diverged
from .settings import names, settle
from .state import SUFFIX, read

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Files", "Saving", "settled"]


@dataclass(frozen=True, slots=True)
class Files:
    """The checkpoint, and beside it what a run writes until it is done, and its history."""

    checkpoint: Path

    @property
    def state(self) -> Path:
        """What the run can be resumed from."""
        return self.checkpoint.with_suffix(SUFFIX)

    @property
    def history(self) -> Path:
        """A JSON object per line and epoch."""
        return self.checkpoint.with_suffix(".history.jsonl")


class Saving:
    """Writes the checkpoint of a run, and says what is left of the run if it ends before its time.

    Args:
        files: of the run.
        again: the command that goes on with the run.
        note: told, in a sentence, what the user can go on with.
    """

    def __init__(self, files: Files, again: str, note: Callable[[str], None]) -> None:
        self._files, self._again, self._note, self._saved = files, again, note, False
        self._before = _written_at(files.state)

    def first(self, checkpoint: Checkpoint) -> None:
        """Write the weights of a training that is done, before anything else is found out about them."""
        with suppress(OutputError):  # tried once more with all that belongs to it
            self._save(checkpoint, self._files.checkpoint)

    def complete(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint with all that belongs to it; if that fails, the first one stands.

        Raises:
            OutputError: there is no room for either; the weights are in the folder of temporary files, if they can be.
        """
        try:
            self._save(checkpoint, self._files.checkpoint)
        except OutputError as error:
            if self._saved:
                self._note(f"{error} It holds the trained weights without their figures and self-test.")
                return
            raise OutputError(f"{error}{self._elsewhere(checkpoint)}") from None

    def _save(self, checkpoint: Checkpoint, path: Path) -> None:
        save(checkpoint, path)
        self._saved = True

    def _elsewhere(self, checkpoint: Checkpoint) -> str:
        """Save a finished training among the temporary files, and say where; nothing where that fails too."""
        import tempfile

        try:
            path = Path(tempfile.mkdtemp(prefix="lenetx-")) / self._files.checkpoint.name
            self._save(checkpoint, path)
        except (OSError, OutputError):
            return ""
        return f" The checkpoint is in '{path}' instead."

    @property
    def _convert(self) -> list[str]:
        return ["lenetx", "convert", str(self._files.state), str(self._files.checkpoint)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: "TracebackType | None"
    ) -> None:
        """Describe what is left where the run ends with an error or an interrupt."""
        if kind is None or issubclass(kind, Diverged):
            return
        files, written = self._files, _written_at(self._files.state)
        if self._saved:
            self._note(f"The training is done and its weights are saved; add what is missing with: {self._again}")
        elif written is not None and (written != self._before or issubclass(kind, KeyboardInterrupt)):
            self._note(f"Take the weights of '{files.state}' as they are with: {shlex.join(self._convert)}")
            self._note(f"'{files.state}' has where the run stood; go on with: {self._again}")


def _written_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def settled(
    given: Mapping[str, Any],
    config: Path | None,
    recipe: str | None,
    output: Path | None,
    initial: InitialWeights | None,
    plots: Path | None,
    *,
    resume: bool,
) -> tuple[TrainConfig, Files]:
    """Return the configuration and the files, all of which can be written.

    A run to resume is the one of ``output``, else the newest; what is not given is as that run has it.
    """
    if resume and output is None:
        output = newest(SUFFIX, "run to resume").with_suffix(".pt")
    if output is not None and output.suffix != ".pt":
        raise InputError(f"'{output}' does not end in .pt: --output names a checkpoint.")
    base = read(Files(output).state).identity.config if resume and output is not None else None
    if base is not None and initial is not None:
        raise InputError("A run to resume goes on with its own weights: leave --init away.")
    settings = settle(given, file=config, name=recipe, initial=initial, base=base)
    if base is not None:
        _require_named(base, {*given, *names(config)})
    files = Files(output or ARTIFACTS / f"{models.file_stem(settings.architecture)}.pt")
    for path in (files.checkpoint, files.state, files.history, *([plots / "curves.png"] if plots else [])):
        require_writable(path)
        remove_leftovers(path)  # of a process that was killed while it wrote
    return settings, files


def _require_named(base: TrainConfig, named: set[str]) -> None:
    """Raise InputError if data or code of the user's own, whose path no file records, is not named again."""
    if "data" not in named and base.data not in data.SOURCES:
        raise InputError(f"The run to resume trains on '{base.data}', a set of your own: name its place with --data.")
    if "architecture" not in named and not models.is_safe(base.architecture):
        raise InputError(f"The run to resume trains '{base.architecture}', code of your own: name it with --arch.")
