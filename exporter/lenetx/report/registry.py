"""Register the groups of checks, each with its function and the advice if it fails.

A new check is one file with a function ``check(case) -> tuple[Check, ...]``, and one line here.
"""

from dataclasses import dataclass

__all__ = ["GROUPS", "NUMERIC", "REGISTRY", "Group"]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of checks.

    Attributes:
        name: the group's name in reports.
        check: the function that runs the checks, ``module:function``; ``None`` if the format runs them when it opens a
            file.
        advice: what to do if this group is the first to fail; later failures are often its consequences.
        own_advice: the same for a custom program, which cannot be exported again; replaces ``advice``.
        is_numeric: whether the checks compare numbers that the artifact computed.
        reduced: the function that replaces ``check`` for an artifact in reduced precision; empty for the same.
        rounded: the same for one in which only the weights are rounded, and arithmetic is float32.
    """

    name: str
    check: str | None
    advice: str
    own_advice: str = ""
    is_numeric: bool = True
    reduced: str = ""
    rounded: str = ""


_AGAIN = "export it again"
REGISTRY = (
    Group("file", None, f"It is not a sound file: {_AGAIN}.", is_numeric=False),
    Group(
        "contract",
        "lenetx.proof.embedded_spec:embedded_spec",
        f"Its inputs or labels are described differently from the checkpoint's: {_AGAIN}, or name the checkpoint that "
        "it was made from with --against.",
        is_numeric=False,
    ),
    Group(
        "weights",
        "lenetx.proof.same_weights:same_weights",
        f"Its weights or its operators are not the checkpoint's: name the one that it was made from with --against, or "
        f"{_AGAIN}.",
        is_numeric=False,
        reduced="lenetx.proof.reduced_weights:reduced_weights",
        rounded="lenetx.proof.same_weights:rounded_weights",
    ),
    Group(
        "layers",
        "lenetx.proof.layer_by_layer:layer_by_layer",
        "The first layer that is wrong is named: check its operator, its padding and its arithmetic.",
        reduced="lenetx.proof.quantized_layers:quantized_layers",
    ),
    Group(
        "end to end",
        "lenetx.proof.end_to_end:end_to_end",
        f"It does not compute the checkpoint's network, or in a lower precision: {_AGAIN}.",
    ),
    Group(
        "batch axis",
        "lenetx.proof.batch_axis:batch_axis",
        f"Its answers depend on the batch: {_AGAIN}, and trace it with more than one image.",
        "Its answers depend on the batch: check how the program fills, splits and pads batches.",
    ),
    Group(
        "engines",
        "lenetx.proof.all_engines:engines",
        "An engine or a setting of it is wrong, not only the file: use one that passed.",
    ),
    Group(
        "hard inputs",
        "lenetx.proof.end_to_end:hard_inputs",
        f"It is wrong where ordinary images do not show it: {_AGAIN}.",
        "It is wrong where ordinary images do not show it: look for overflow, clipping and lost digits.",
    ),
    Group(
        "real data",
        "lenetx.proof.real_data:real_data",
        "It labels real images differently from the checkpoint, by more than rounding explains or --max-drop allows.",
        reduced="lenetx.proof.accuracy:accuracy",
        rounded="lenetx.proof.accuracy:accuracy",
    ),
    Group(
        "eval mode",
        "lenetx.proof.eval_mode:eval_mode",
        "It was exported in training mode: call eval() on the module before the export.",
        "Its answers change from call to call: check what the program keeps between them.",
    ),
    Group(
        "diagnosis",
        "lenetx.proof.diagnosis:diagnosis",
        "The diagnosis shows which is wrong, the file or the engine.",
        is_numeric=False,
    ),
)
"""All groups, in the order in which they run and are shown."""
GROUPS = tuple(group.name for group in REGISTRY)
NUMERIC = tuple(group.name for group in REGISTRY if group.is_numeric)
