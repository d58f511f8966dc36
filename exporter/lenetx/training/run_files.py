"""Locate, check and write the files of a run: its checkpoint, its state and its history."""

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

__all__ = ["Files", "Saving", "settings_and_files"]


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of a run's files: the checkpoint and, beside it, the state and the history."""

    checkpoint: Path

    @property
    def state(self) -> Path:
        """The file to resume the run from."""
        return self.checkpoint.with_suffix(SUFFIX)

    @property
    def history(self) -> Path:
        """The history, as JSON lines, one per epoch."""
        return self.checkpoint.with_suffix(".history.jsonl")


class Saving:
    """Write the checkpoint of a run and, as a context manager, report what can be recovered if the run fails.

    Args:
        files: files of the run.
        again: the command that resumes the run.
        note: called with a sentence on what can be recovered.
    """

    def __init__(self, files: Files, again: str, note: Callable[[str], None]) -> None:
        self._files, self._again, self._note, self._saved = files, again, note, False
        self._before = _written_at(files.state)

    def first(self, checkpoint: Checkpoint) -> None:
        """Write the trained weights before test figures and self-test are computed."""
        with suppress(OutputError):  # ``complete`` tries again
            self._save(checkpoint, self._files.checkpoint)

    def complete(self, checkpoint: Checkpoint) -> None:
        """Write the complete checkpoint; if that fails, the one written by ``first`` is kept.

        Raises:
            OutputError: neither could be written; the message names a copy in the temporary folder if that succeeded.
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
        """Save the checkpoint to the temporary folder and return a sentence about it, or nothing if that fails."""
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
        """Report what can be recovered after an error or an interrupt."""
        if kind is None or issubclass(kind, Diverged):
            return
        files, written = self._files, _written_at(self._files.state)
        if self._saved:
            self._note(f"Training is complete and its weights are saved; add what is missing with: {self._again}")
        elif written is not None and (written != self._before or issubclass(kind, KeyboardInterrupt)):
            self._note(f"Take the weights of '{files.state}' as they are with: {shlex.join(self._convert)}")
            self._note(f"'{files.state}' holds the state of the run; continue with: {self._again}")


def _written_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def settings_and_files(
    given: Mapping[str, Any],
    config: Path | None,
    recipe: str | None,
    output: Path | None,
    initial: InitialWeights | None,
    plots: Path | None,
    *,
    resume: bool,
) -> tuple[TrainConfig, Files]:
    """Return the configuration and the files of a run, after checking that all of them can be written.

    The run to resume is that of ``output``, or else the newest one; omitted settings are taken from it.

    Raises:
        InputError: an argument cannot be used, or there is no run to resume.
        CheckpointError: the state of the run to resume cannot be used.
        OutputError: a file cannot be written.
    """
    if resume and output is None:
        output = newest(SUFFIX, "run to resume").with_suffix(".pt")
    if output is not None and output.suffix != ".pt":
        raise InputError(f"'{output}' does not end in .pt: --output names a checkpoint.")
    base = read(Files(output).state).identity.config if resume and output is not None else None
    if base is not None and initial is not None:
        raise InputError("A resumed run continues with its own weights: omit --init.")
    settings = settle(given, file=config, name=recipe, initial=initial, base=base)
    if base is not None:
        _require_named(base, {*given, *names(config)})
    files = Files(output or ARTIFACTS / f"{models.file_stem(settings.architecture)}.pt")
    for path in (files.checkpoint, files.state, files.history, *([plots / "curves.png"] if plots else [])):
        require_writable(path)
        remove_leftovers(path)  # from a process killed during a write
    return settings, files


def _require_named(base: TrainConfig, named: set[str]) -> None:
    """Raise InputError if custom data or code is not named again, since a state file records no paths."""
    if "data" not in named and base.data not in data.SOURCES:
        raise InputError(f"The run to resume trains on '{base.data}', a custom data set: give its path with --data.")
    if "architecture" not in named and not models.is_safe(base.architecture):
        raise InputError(f"The run to resume trains '{base.architecture}', custom code: name it with --arch.")
