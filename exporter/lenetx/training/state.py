"""Write and read the file from which an interrupted run is resumed."""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lenetx_runtime import ModelSpec
from lenetx_runtime.files import read_bytes

from .. import models
from ..errors import ArtifactError, CheckpointError, InputError, OutputError
from ..files import exists, remove_leftovers, write_atomically
from ..models.identity import described, is_same
from ..version import PRODUCER
from ..weights import run_state, tensor_file
from ..weights.checkpoint import ACCEPT, CODE
from .config import TrainConfig

__all__ = ["SUFFIX", "Identity", "State", "StateFile", "arithmetic", "read"]

SUFFIX = ".resume"

_FIRST = 1.0
"""Seconds until the first write, so that a run interrupted early can be resumed too."""
_SHARE = 0.02
"""Maximum fraction of a run's time that is spent on writing."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity of a run, which only a run with the same identity can resume.

    Attributes:
        config: the configuration; its epochs and batch size are not ``None``.
        spec: the network, its input and its classes.
        data_sha256: digest of the data set.
        arithmetic: what else the last bits depend on: versions, threads and processes; it may differ, with a note.
        origin: what a checkpoint records of the initial weights; taken from the resumed run.
    """

    config: TrainConfig
    spec: ModelSpec
    data_sha256: str
    arithmetic: Mapping[str, str]
    origin: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """An interrupted run: its identity and the state of its loop."""

    identity: Identity
    loop: Mapping[str, Any]

    def continued(self, other: Identity, *, accept_code: bool = False) -> Identity:
        """Return the identity with which a run with the identity ``other`` continues from this state.

        Args:
            other: of the new run.
            accept_code: accept a custom network whose source differs; a checkpoint then records the earlier one.

        Raises:
            InputError: its network, configuration or data set differs.
        """
        mine = self.identity
        origin = dict(mine.origin)
        if not is_same(mine.spec.architecture, other.spec.architecture):
            own = not (models.is_safe(mine.spec.architecture) or models.is_safe(other.spec.architecture))
            if not (own and accept_code):
                found = f"trains {described(mine.spec.architecture)}, not {described(other.spec.architecture)}"
                cure = ACCEPT if own else "name that one, or start a new run"
                raise InputError(f"The run to resume {found}: {cure}.")
            origin[CODE] = mine.spec.architecture
        ours, theirs = mine.config.to_mapping(), other.config.to_mapping() | {"architecture": mine.config.architecture}
        differing = [
            f"{name} {ours.get(name)}, not {theirs.get(name)}"
            for name in ours | theirs
            if ours.get(name) != theirs.get(name)
        ]
        if differing:
            raise InputError(
                f"The run to resume has {'; '.join(differing)}: omit that, or start a new run without --resume."
            )
        # Another version is reported, not rejected; another file name does not matter.
        spec = dataclasses.replace(other.spec, producer=mine.spec.producer, architecture=mine.spec.architecture)
        if other.data_sha256 != mine.data_sha256 or spec != mine.spec:
            raise InputError("The run to resume is of another data set: its images or labels differ.")
        return dataclasses.replace(other, origin=origin)

    def differing_arithmetic(self, other: Identity) -> str:
        """Return why the last bits may differ from those of an uninterrupted run; an empty string if they do not."""
        before, now = self.identity.arithmetic, other.arithmetic
        return "; ".join(f"{name} {before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name])


class StateFile:
    """Write the state of one run at intervals; a failed write does not end the training.

    Args:
        path: the file.
        identity: identity of the run.
        every: minimum seconds between two writes, extended so that writing takes at most 2 % of the time; 0 to write
            after every step.
        on_notice: called once, with a sentence, when a write fails.
    """

    def __init__(
        self, path: Path, identity: Identity, every: float, on_notice: Callable[[str], None] = lambda _: None
    ) -> None:
        self.path, self._identity, self._every, self._on_notice = path, identity, every, on_notice
        self._written, self._cost, self._refused = time.monotonic(), 0.0, False
        remove_leftovers(path)

    def due(self) -> bool:
        """Return whether it is time to write."""
        if not self._every:
            return True
        wait = max(self._every, self._cost / _SHARE) if self._cost else min(self._every, _FIRST)
        return time.monotonic() - self._written >= wait

    def write(self, loop: Mapping[str, Any]) -> None:
        """Replace the file atomically with the current state; if that fails, the previous file is kept."""
        began = time.monotonic()
        identity = self._identity
        content = {
            "config": identity.config.to_mapping(),
            "spec": identity.spec.to_json(),
            "data_sha256": identity.data_sha256,
            "arithmetic": dict(identity.arithmetic),
            "origin": dict(identity.origin),
            "loop": dict(loop),
        }
        try:
            write_atomically(self.path, tensor_file.pack(run_state.sealed(content)))
        except OutputError as error:
            if not self._refused:
                self._on_notice(f"{error} Training continues; --resume would start from the previous state.")
            self._refused = True
        self._written = time.monotonic()
        self._cost = self._written - began


def read(path: Path) -> State:
    """Read a file that ``StateFile.write`` wrote, without executing anything in it.

    Raises:
        InputError: the file does not exist.
        CheckpointError: the file is damaged, contains code, or is not the state of a run.
    """
    if not exists(path):
        raise InputError(f"There is nothing to resume: '{path}' does not exist. A run keeps it until it is complete.")
    data = read_bytes(path, "state of a run")
    try:
        content = run_state.require_whole(tensor_file.unpack(data))
        identity = Identity(
            TrainConfig.from_mapping(content["config"]),
            ModelSpec.from_json(content["spec"]),
            str(content["data_sha256"]),
            {str(key): str(value) for key, value in content["arithmetic"].items()},
            _origin(content["origin"]),
        )
        return State(identity, content["loop"])
    except (ArtifactError, InputError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ArtifactError | InputError) else "It lacks what lenetx writes there."
        raise CheckpointError(f"'{path}' cannot be resumed from. {reason}") from None


def _origin(found: Any) -> dict[str, Any]:
    """Check the origin, which a checkpoint records unchanged: plain values under names that are not settings."""
    origin: dict[str, Any] = json.loads(json.dumps(found))
    settings = {field.name for field in dataclasses.fields(TrainConfig)}
    if origin != found or not isinstance(found, dict) or settings & origin.keys():
        raise TypeError("what is recorded of the first weights is a mapping of plain values")
    return origin


def arithmetic(processes: int) -> dict[str, str]:
    """Return what the last bits of a run depend on besides its configuration, by name."""
    return {
        "lenetx": PRODUCER,
        "torch": str(torch.__version__),
        "threads": str(torch.get_num_threads()),
        "processes": str(processes),
    }
