"""Check a foreign ONNX file without running it."""

import dataclasses
from typing import TYPE_CHECKING

from ...graph.expression import plain
from ...report import Check
from ..local_paths import local_paths
from .read import OPSETS

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["kept_paths", "left_out", "structure"]

_RANDOM = ("Random", "Bernoulli", "Multinomial")
_DEFAULT = ("", "ai.onnx")
_LISTED = 12


def structure(model: "ModelProto") -> tuple[Check, ...]:
    """Check validity, versions, operators, and nodes that do not lead to an output."""
    return _valid(model), _versions(model), _operators(model), _unread(model)


def left_out(model: "ModelProto", others: tuple[str, ...], branches: int) -> tuple[Check, ...]:
    """Report the outputs and the branches of a file that a model lacks; nothing of them was judged."""
    found = []
    if others:
        (wanted,) = model.graph.output
        more = f" and {len(others) - _LISTED} more" * (len(others) > _LISTED)
        names = ", ".join(map(plain, others[:_LISTED])) + more
        detail = f"Only {plain(wanted.name)} is judged; left out, with what only they need: {names}."
        found.append(Check("outputs", f"{len(others) + 1} outputs", "not_applicable", detail=detail))
    if branches:
        words = f"{branches} branch{'es' * (branches > 1)}"
        detail = "Which way each goes follows from the size of the input; only that way was run and judged."
        found.append(Check("branches", words, "not_applicable", detail=detail))
    return tuple(found)


def kept_paths(model: "ModelProto") -> Check:
    """Check whether remarks of another program name folders of its machine: they are kept, and that is told.

    Names of values are no paths, though torch's older exporter writes them as ``/fc/Gemm_output_0``.
    """
    parts = (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output)
    remarks = [entry.value for part in parts for entry in part.metadata_props]
    remarks += [part.doc_string for part in (*parts, *(each for node in model.graph.node for each in node.attribute))]
    found = local_paths(text.encode() for text in remarks)
    if found.status == "passed":
        return found
    detail = f"{found.detail} They are kept: nothing in its graph is changed."
    return dataclasses.replace(found, status="not_applicable", detail=detail)


def _valid(model: "ModelProto") -> Check:
    import onnx

    name, words = "file", "onnx.checker"
    if any(node.domain not in _DEFAULT for node in model.graph.node):
        detail = "It has operators that ONNX does not define, which its checker does not know."
        return Check(name, words, "not_applicable", detail=detail)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker raises several unrelated classes
        return Check.verdict(name, words, " ".join(str(error).split()))
    return Check.verdict(name, words, None, "It is valid.")


def _versions(model: "ModelProto") -> Check:
    versions = ", ".join(f"{plain(item.domain) or 'ai.onnx'} {item.version}" for item in model.opset_import)
    writer = plain(f"{model.producer_name} {model.producer_version}".strip()) or "a program that it does not name"
    detail = f"Opset {OPSETS[0]} to {OPSETS[-1]} can be proven. It was written by {writer}."
    return Check.verdict("versions", f"opset {versions}", None, detail)


def _operators(model: "ModelProto") -> Check:
    used = sorted({node.op_type for node in model.graph.node})
    random = [name for name in used if name.startswith(_RANDOM)]
    problem = f"They draw random numbers: {', '.join(map(plain, random))}." if random else None
    more = f" and {len(used) - _LISTED} more" * (len(used) > _LISTED)
    detail = f"Only {', '.join(map(plain, used[:_LISTED]))}{more}."
    return Check.verdict("operators", f"{len(model.graph.node)} nodes", problem, detail)


def _unread(model: "ModelProto") -> Check:
    """Count the nodes that do not lead to an output: an engine may run them, and no logit would show it."""
    read = {value.name for value in model.graph.output}
    unread = 0
    for node in reversed(model.graph.node):
        if read.intersection(filter(None, node.output)):
            read.update(node.input)
        else:
            unread += 1
    name, words = "unread nodes", f"{len(model.graph.node)} nodes"
    if unread:
        detail = f"{unread} lead to no output: nothing that they compute was judged."
        return Check(name, words, "not_applicable", detail=detail)
    return Check.verdict(name, words, None, "Each leads to the output.")
