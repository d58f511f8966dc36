"""Read and write checkpoints, as a torch archive or as safetensors."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import METADATA_KEY, ModelSpec
from lenetx_runtime.values import LARGEST_JSON, parse_json

from .. import models, weights
from ..data import archive
from ..errors import ArtifactError, CheckpointError, InputError
from ..files import write_atomically
from ..models.identity import described, is_same
from . import run_state, safetensors_file, tensor_file
from .checkpoint import ACCEPT, CODE, Checkpoint
from .in_memory import MODULE
from .matching import difference
from .plain_tensors import plain, require_plain, weights_sha256
from .same_answers import require_same_answers

if TYPE_CHECKING:
    from ..models import Architecture

__all__ = ["SUFFIXES", "load", "read", "recognises", "save"]

SUFFIXES = (".pt", ".safetensors")
"""Suffixes of the two kinds of file that hold a whole checkpoint."""

_RECORD, _ORDER, _DIGEST = (f"{METADATA_KEY}.{name}" for name in ("record", "order", "sha256"))
"""Keys of a safetensors file's metadata, besides the spec's."""


def recognises(data: bytes) -> bool:
    """Return whether a file claims to be a checkpoint or the state of a run, without unpickling it.

    Only the position of the key counts, since other programs may save the same word elsewhere. A file that is missed
    here is still found by the readers of weights, which read it twice.
    """
    if safetensors_file.recognises(data):
        return f'"{METADATA_KEY}":"{{'.encode() in data[:LARGEST_JSON]
    return archive.has(data, "data.pkl") and any(_first(key) in data for key in (METADATA_KEY, run_state.KEY))


def _first(key: str) -> bytes:
    """Return the bytes that ``torch.save`` writes for the first key of the outermost dict, in pickle protocol 2."""
    return b"}q\x00(X" + len(key).to_bytes(4, "little") + key.encode()


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint atomically; equal checkpoints give equal bytes.

    Args:
        checkpoint: the checkpoint.
        path: the file, written as safetensors if its name ends in ``.safetensors``, else as a torch archive.

    Raises:
        OutputError: the file could not be written.
    """
    write = _as_safetensors if path.suffix == ".safetensors" else _as_archive
    write_atomically(path, write(checkpoint))


def load(
    path: Path,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, object] | None = None,
    accept_code: bool = False,
) -> Checkpoint:
    """Read a checkpoint that ``save`` wrote; nothing in the file is executed.

    Args:
        path: the file, of either kind, recognised by its contents.
        architecture: the expected network; a checkpoint of another one is rejected. Required for a custom network,
            because code that only a file names is never run.
        arguments: keyword arguments of the network's factory, if the checkpoint was made of a module in memory, which
            records none; otherwise the recorded ones are used.
        accept_code: accept other source code for a custom network; the checkpoint's ``config`` records it.

    Raises:
        InputError: the file is missing or a directory, or the network's code raised an error.
        UnknownName: the architecture does not exist.
        CheckpointError: the file is unreadable, damaged, contains code, was changed after training, or is of another
            network; or its network is custom and ``architecture`` was omitted.
    """
    checkpoint = read(path)
    recorded = checkpoint.spec.architecture
    if architecture is not None:
        if MODULE in checkpoint.config:
            config = {**checkpoint.config, "architecture_args": dict(arguments or {})}
            checkpoint = dataclasses.replace(checkpoint, config=config)
        network = models.resolve(architecture, checkpoint.config.get("architecture_args"))
        checkpoint = dataclasses.replace(checkpoint, network=network)
        if not is_same(recorded, network.name):  # weights that fit cannot distinguish ReLU from tanh
            if not accept_code or models.is_safe(recorded):
                raise CheckpointError(f"'{path}' holds {_another(checkpoint, network, architecture)}")
            checkpoint = checkpoint.with_accepted_code(recorded)
    elif not models.is_safe(recorded):
        raise CheckpointError(
            f"'{path}' is of the network '{recorded}', custom code, which lenetx does not run because a file "
            f"says so: name it with --arch."
        )
    if not models.is_safe(recorded):
        _require_own(path, checkpoint)
    if MODULE in checkpoint.config:
        require_same_answers(checkpoint, path.name)
    return checkpoint


def read(path: Path) -> Checkpoint:
    """Read a checkpoint to inspect it; a custom network is not built.

    Raises:
        InputError: the file is missing or a directory.
        CheckpointError: the file is unreadable, damaged, contains code, or was changed after training.
    """
    data = read_bytes(path, "checkpoint")
    try:
        checkpoint = _parse(data)
        if models.is_safe(checkpoint.spec.architecture):
            checkpoint.module()
    except (ArtifactError, InputError) as error:
        raise CheckpointError(f"'{path}' is not a usable checkpoint. {_third_party_advice(path) or error}") from None
    return checkpoint


def _third_party_advice(path: Path) -> str | None:
    """Return advice for a file of third-party weights, or ``None`` for any other file."""
    with contextlib.suppress(CheckpointError, InputError):
        found = weights.read(path)
        if found is not None and not found.is_lenetx:
            return (
                f"It holds weights that lenetx did not save ({found.kind}): make a checkpoint of them with "
                f"'lenetx convert {path.name} OUT.pt --arch …'."
            )
    return None


def _require_own(path: Path, checkpoint: Checkpoint) -> None:
    try:
        checkpoint.module()
    except CheckpointError as error:
        raise CheckpointError(f"'{path}' is not a usable checkpoint. {error}") from None


def _another(checkpoint: Checkpoint, network: "Architecture", named: str) -> str:
    """Describe how the weights differ from those of the network that the user named."""
    recorded = checkpoint.spec.architecture
    held = f"weights of {described(recorded)}, not of {described(network.name)}"
    for each in (network, models.resolve(named)):  # the recorded arguments may not apply to it
        with contextlib.suppress(InputError):
            expected = each.build(each.input_shape or checkpoint.spec.input_shape, len(checkpoint.spec.labels))
            if differing := difference(checkpoint.state_dict, expected.state_dict()):
                return f"{held}: {differing}."
            return f"{held}." if models.is_safe(recorded) else f"{held}: {ACCEPT}."
    return f"{held}."


def _as_archive(checkpoint: Checkpoint) -> bytes:
    return tensor_file.pack(
        {
            METADATA_KEY: checkpoint.spec.to_json(),
            "state_dict": {name: plain(tensor) for name, tensor in checkpoint.state_dict.items()},
            "record": _record_of(checkpoint),
        }
    )


def _as_safetensors(checkpoint: Checkpoint) -> bytes:
    texts = {METADATA_KEY: checkpoint.spec.to_json(), _RECORD: _record_of(checkpoint), "format": "pt"}
    texts |= {_ORDER: json.dumps(list(checkpoint.state_dict)), _DIGEST: _digest(texts)}
    return safetensors_file.pack({name: plain(each) for name, each in checkpoint.state_dict.items()}, texts)


def _record_of(checkpoint: Checkpoint) -> str:
    record = {
        "metrics": dict(checkpoint.metrics),
        "config": dict(checkpoint.config),
        "history": [dict(epoch) for epoch in checkpoint.history],
    }
    return json.dumps(record, sort_keys=True)


def _digest(texts: Mapping[str, str]) -> str:
    """Return a digest of a safetensors file's metadata, since the format has no checksums."""
    return hashlib.sha256(f"{texts[METADATA_KEY]}\n{texts[_RECORD]}".encode()).hexdigest()


def _parse(data: bytes) -> Checkpoint:
    if not data:
        raise ArtifactError("It is empty.")
    try:
        read = _from_safetensors if safetensors_file.recognises(data) else _from_archive
        checkpoint = read(data)
        digest = weights_sha256(checkpoint.state_dict)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError):
        raise ArtifactError("It is not a lenetx checkpoint, as 'lenetx train' writes them.") from None
    if digest != checkpoint.spec.weights_sha256:
        raise ArtifactError("Its weights are not those that were saved: their digest does not match.")
    return checkpoint


def _from_archive(data: bytes) -> Checkpoint:
    content = tensor_file.unpack(data)
    if run_state.recognises(content):
        return _from_state(run_state.require_whole(content))
    if not isinstance(content, dict):
        raise TypeError("a checkpoint is a dict")
    spec = ModelSpec.from_json(content[METADATA_KEY])
    weights = dict(content["state_dict"])
    require_plain(weights)
    return Checkpoint(spec, weights, *_record(content["record"]))


def _from_state(content: Mapping[str, Any]) -> Checkpoint:
    """Build a checkpoint of the weights that an interrupted run had kept, without test figures."""
    held, epoch = run_state.kept_weights(content)
    weights = {name: plain(tensor) for name, tensor in held.items()}
    require_plain(weights)
    records = [{key: each[key] for key in each if key != "seconds"} for each in content["loop"]["history"]]
    found = {"metrics": {"chosen_epoch": epoch}, "config": content["config"] | content["origin"], "history": records}
    spec = dataclasses.replace(ModelSpec.from_json(content["spec"]), weights_sha256=weights_sha256(weights))
    return Checkpoint(spec, weights, *_record(json.dumps(found)))


def _from_safetensors(data: bytes) -> Checkpoint:
    tensors, texts = safetensors_file.unpack(data)
    weights = {name: tensors[name] for name in parse_json(texts[_ORDER])}
    checkpoint = Checkpoint(ModelSpec.from_json(texts[METADATA_KEY]), weights, *_record(texts[_RECORD]))
    if texts[_DIGEST] != _digest(texts) or _as_safetensors(checkpoint) != data:
        raise ArtifactError("It was not written by lenetx, or it is damaged.")
    return checkpoint


def _record(text: str) -> tuple[dict[str, Any], dict[str, Any], tuple[dict[str, float], ...]]:
    """Parse metrics, config and history; raise KeyError, TypeError or ValueError if ``save`` did not write them."""
    record = parse_json(text, finite=False)
    metrics, config, history = record["metrics"], record["config"], record["history"]
    if not isinstance(history, list) or not all(isinstance(each, dict) for each in (metrics, config, *history)):
        raise TypeError("metrics, config and each epoch are objects")
    tables = [value for value in metrics.values() if isinstance(value, dict)]
    figures = {name: value for name, value in metrics.items() if not isinstance(value, dict)}
    if not all(isinstance(number, int | float) for each in (figures, *tables, *history) for number in each.values()):
        raise ValueError("metrics and history hold numbers")
    if not isinstance(config["data"], str | None) or not isinstance(config.get("architecture_args", {}), dict):
        raise ValueError("the configuration names its data and the arguments of its network")
    if not isinstance(config.get(CODE, ""), str):
        raise ValueError("the configuration names a network")
    return metrics, config, tuple(history)
