"""Turn third-party weights into a checkpoint; the network and the user supply what the file lacks."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.files import read_bytes

from .. import models, weights
from ..errors import CheckpointError, InputError
from ..graph.output import output_of
from ..models import Architecture
from ..models.architecture import Shape
from . import Found, matching
from . import checkpoint_file as checkpoints
from .accepted import code_accepted, with_code_of
from .checkpoint import CODE, Checkpoint
from .options import WeightsOptions
from .plain_tensors import weights_sha256
from .preprocessing import with_preprocessing
from .stated_spec import stated_spec, unknown_spec
from .statement import Statement

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "ASSUMED",
    "checkpoint_of",
    "load_weights",
    "require_architecture",
    "third_party_weights",
]

ASSUMED = ((1, 32, 32), (1, 28, 28))
"""(channels, height, width) of LeNet-5's input and of MNIST's images: if the input is unknown, the first that the
network accepts is assumed."""


def load_weights(
    path: Path, options: WeightsOptions | None = None, on_notice: Callable[[str], None] = lambda _: None
) -> Checkpoint:
    """Read a checkpoint, or make one from third-party weights, see ``lenetx.weights``.

    Args:
        path: the file.
        options: how to read it. ``architecture`` is required unless lenetx wrote the file and the network is not
            custom.
        on_notice: called with a sentence about anything that was assumed or changed.

    Returns:
        The checkpoint. Unless stated, the preprocessing of third-party weights is unknown and their labels are the
        class numbers.

    Raises:
        InputError: the file is missing, the network is unknown, or a statement contradicts what is known.
        UnknownName: the architecture does not exist.
        CheckpointError: the file is damaged, contains code, or holds weights of another network.
    """
    options = options or WeightsOptions()
    found = third_party_weights(path, trust_pickle=options.trust_pickle, on_notice=on_notice)
    return checkpoint_of(path, found, options, on_notice)


def third_party_weights(
    path: Path, *, trust_pickle: bool = False, on_notice: Callable[[str], None] = lambda _: None
) -> Found | None:
    """Read a file of weights as ``lenetx.weights.read`` does, but return ``None`` for a lenetx checkpoint.

    Raises:
        InputError, CheckpointError: as ``lenetx.weights.read``.
    """
    if checkpoints.recognises(read_bytes(path, "checkpoint")):
        return None
    return weights.read(path, trust_pickle=trust_pickle, on_notice=on_notice)


def checkpoint_of(
    path: Path,
    found: Found | None,
    options: WeightsOptions,
    on_notice: Callable[[str], None],
    *,
    defaults: bool = True,
) -> Checkpoint:
    """Return the checkpoint as ``load_weights`` does, from weights that ``third_party_weights`` returned.

    Args:
        path: as for ``load_weights``.
        found: the weights; ``None`` for a checkpoint.
        options: as for ``load_weights``.
        on_notice: as for ``load_weights``.
        defaults: take the preprocessing that the network's library states, where none is stated.
    """
    architecture, stated = options.architecture, options.stated
    if stated.labels is not None and len(set(stated.labels)) < len(stated.labels):
        repeated = next(name for name in stated.labels if stated.labels.count(name) > 1)
        on_notice(f"Several classes have the label '{repeated}', so that their predictions look the same.")
    if found is None or found.is_lenetx:
        checkpoint = checkpoints.load(
            path, architecture=architecture, arguments=options.arguments, accept_code=options.accept_code
        )
        if CODE in checkpoint.config and checkpoint.network is not None:
            on_notice(f"'{path.name}': {code_accepted(checkpoint)}.")
        return dataclasses.replace(checkpoint, spec=stated_spec(path, checkpoint.spec, stated, on_notice))
    if found.spec is not None and architecture is None:
        network = models.recorded(found.spec.architecture, options.arguments)
    else:
        network = models.resolve(require_architecture(path, found, architecture), options.arguments)
    recorded = found.spec.network_output if found.spec is not None else None
    preprocessing = network.preprocessing if defaults else None
    network = dataclasses.replace(network, output=stated.network_output or recorded, preprocessing=preprocessing)
    tensors = matching.as_float32(found.tensors, on_notice)
    checkpoint = _assemble(path, found, network, tensors, stated, on_notice)
    return with_code_of(found.spec, path.name, checkpoint, options, on_notice)


def require_architecture(path: Path, found: Found, architecture: str | None) -> str:
    """Return ``architecture``, which third-party weights require.

    Raises:
        InputError: it is ``None``; the message lists the tensors and the built-in networks that they fit.
    """
    if architecture is not None:
        return architecture
    fits = matching.matching_networks(matching.as_float32(found.tensors, lambda _: None))
    hint = f"they fit {', '.join(fits)}" if fits else "they fit none of the built-in networks"
    if found.network is not None:
        name = found.network
        hint = f"its class is {name}, so give --arch FILE.py:{name} with the file that has it; {hint}"
    raise InputError(
        f"'{path}' ({found.kind}) does not record the network of its weights: name it with --arch; {hint}. "
        f"It holds {matching.listed(found.tensors)}."
    )


def _assemble(
    path: Path,
    found: Found,
    network: Architecture,
    tensors: "Mapping[str, Tensor]",
    stated: Statement,
    on_notice: Callable[[str], None],
) -> Checkpoint:
    shapes, assumed = _input_shapes(network, found.spec, stated)
    known = len(found.spec.labels) if found.spec is not None else None
    if found.spec is not None and models.is_safe(network.name):  # a file must not exhaust the memory
        _require_same(path, network, tensors, network.hollow(shapes[0], len(found.spec.labels)))
    module, classes, shape = _build(network, shapes, known, tensors, on_notice)
    tensors, changed = matching.renamed_to_match(tensors, module.state_dict())
    if changed:
        on_notice(f"'{path.name}': {changed}.")
    if found.spec is not None and tensors.keys() < module.state_dict().keys():
        raise CheckpointError(
            f"The batch norms of {network.title} are folded into the weights in '{path}', an artifact: give the "
            "weights that it was made of."
        )
    _require_same(path, network, tensors, module)
    config: dict[str, Any] = {
        "data": None,
        "architecture": network.name,
        "architecture_args": dict(network.arguments),
        "source": {
            "name": path.name,
            "kind": found.kind,
            "sha256": hashlib.sha256(read_bytes(path, "checkpoint")).hexdigest(),
        },
    }
    if assumed:
        config["input"] = f"{'×'.join(map(str, shape))}, assumed: neither the file nor the network defines it"
        on_notice(f"The input is {config['input']}; --input-size and --channels do.")
    digest = weights_sha256(tensors)
    if found.spec is not None:
        spec = dataclasses.replace(
            found.spec,
            architecture=network.name,
            weights_sha256=digest,
            batch="dynamic",
            network_output=network.output,
            content_sha256=None,
            selftest=None,  # it belongs to the artifact
        )
    else:
        output = output_of(module, network, shape)
        spec = unknown_spec(network.name, shape, classes, digest)
        spec = dataclasses.replace(spec, output=output, network_output=network.output)
        stated = with_preprocessing(stated, network, shape, on_notice)
    ordered = {name: tensors[name] for name in module.state_dict()}
    return Checkpoint(stated_spec(path, spec, stated, on_notice), ordered, {}, config, (), network)


def _require_same(path: Path, network: Architecture, tensors: "Mapping[str, Tensor]", module: "nn.Module") -> None:
    if differing := matching.difference(tensors, module.state_dict()):
        raise CheckpointError(f"The weights in '{path}' are not those of {network.title}: {differing}.")


def _build(
    network: Architecture,
    shapes: Sequence[Shape],
    classes: int | None,
    tensors: "Mapping[str, Tensor]",
    on_notice: Callable[[str], None],
) -> "tuple[nn.Module, int, Shape]":
    """Build the network for the first input shape that it accepts; return it, its number of classes and that shape."""
    refusals = []
    for shape in shapes:
        try:
            return *matching.build(network, shape, classes, tensors, on_notice), shape
        except InputError as error:
            refusals.append(error)
    raise refusals[0]


def _input_shapes(network: Architecture, spec: ModelSpec | None, stated: Statement) -> tuple[list[Shape], bool]:
    """Return the input shapes (channels, height, width) to try, in order, and whether they are only assumed."""
    if spec is not None:
        return [spec.input_shape], False
    known = [network.input_shape] if network.input_shape is not None else list(ASSUMED)
    assumed = network.input_shape is None and (stated.input_size is None or stated.channels is None)
    shapes = [(stated.channels or shape[0], *(stated.input_size or shape[1:])) for shape in known]
    return list(dict.fromkeys(shapes)), assumed
