"""Write a program as the JSON documents of ``torch.export``, and read it from them.

Reading is lenient: only what ``write`` writes again bit for bit is a program, see ``records``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lenetx_runtime.values import parse_json

from .arguments import COUNT, CPU, argument, read_argument, tensor, text, whole
from .program import Call, Count, Held, Kind, Meta, Program

__all__ = ["Written", "payload", "read", "write"]

_SYMBOL = "s0"
_FACTOR = 2
"""The number of images in torch's example of an input."""
_TARGET = "torch.ops.aten."
_FLOAT32 = 7
_STRIDED = 7
_LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
_ONE_ARGUMENT = [
    1,
    {
        "type": "builtins.tuple",
        "context": "null",
        "children_spec": [
            {"type": "builtins.tuple", "context": "null", "children_spec": [_LEAF]},
            {"type": "builtins.dict", "context": "[]", "children_spec": []},
        ],
    },
]
_ONE_RESULT = [1, _LEAF]
_SPECS: Mapping[Kind, tuple[str, str]] = {
    "parameter": ("parameter", "parameter_name"),
    "buffer": ("buffer", "buffer_name"),
    "constant": ("tensor_constant", "tensor_constant_name"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """The versions that a file states.

    Attributes:
        torch: the release of torch, such as ``2.13.0``.
        operators: of the operators' definitions.
        schema: major and minor version of the document.
    """

    torch: str
    operators: int
    schema: tuple[int, int]


def write(program: Program, written: Written) -> bytes:
    """Return the document of a program."""
    metas = {name: _meta(meta, requires_grad=False) for name, meta in program.metas.items()}
    metas |= {each.value: _meta(each.meta, requires_grad=_is_trained(each)) for each in program.held}
    counts = {COUNT: _size(Count(1))} if program.reads_count else {}
    graph = {
        "inputs": [tensor(name) for name in (*(each.value for each in program.held), program.image)],
        "outputs": [tensor(program.output)],
        "nodes": [*([_count(program.image)] if counts else []), *map(_node, program.calls)],
        "tensor_values": metas,
        "sym_int_values": counts,
        "sym_bool_values": {},
        "is_single_tensor_return": False,
        "custom_obj_values": {},
        "sym_float_values": {},
    }
    module = {
        "graph": graph,
        "signature": {
            "input_specs": [*map(_spec, program.held), {"user_input": {"arg": tensor(program.image)}}],
            "output_specs": [{"user_output": {"arg": tensor(program.output)}}],
        },
        "module_call_graph": [{"fqn": "", "signature": _signature(program.image)}],
        "metadata": {},
        "treespec_namedtuple_fields": {},
    }
    dynamic = isinstance(program.input.sizes[0], Count)
    return _json(
        {
            "graph_module": module,
            "opset_version": {"aten": written.operators},
            "range_constraints": {_SYMBOL: {"min_val": 0, "max_val": None}} if dynamic else {},
            "schema_version": dict(zip(("major", "minor"), written.schema, strict=True)),
            "verifiers": ["TRAINING"],
            "torch_version": written.torch,
            "guards_code": [],
        }
    )


def payload(held: Sequence[Held], prefix: str) -> bytes:
    """Return the document that lists the tensors in a folder, each in a record of its own."""
    return _json(
        {
            "config": {
                each.path: {
                    "path_name": f"{prefix}{place}",
                    "is_param": each.kind == "parameter",
                    "use_pickle": False,
                    "tensor_meta": _meta(each.meta, requires_grad=_is_trained(each)),
                }
                for place, each in enumerate(held)
            }
        }
    )


def read(document: bytes) -> tuple[Program, Written]:
    """Return the program of a document.

    Raises:
        KeyError, TypeError, ValueError, IndexError, AttributeError: it is not one that ``write`` writes.
    """
    found = parse_json(document)
    graph = found["graph_module"]["graph"]
    metas = {name: _read_meta(meta) for name, meta in graph["tensor_values"].items()}
    *specs, given = found["graph_module"]["signature"]["input_specs"]
    image = text(given["user_input"]["arg"]["as_tensor"]["name"])
    calls = [_read_node(node, metas) for node in graph["nodes"] if node["target"] != f"{_TARGET}sym_size.int"]
    program = Program(
        image,
        metas[image],
        tuple(_read_spec(spec, metas) for spec in specs),
        tuple(calls),
        text(graph["outputs"][0]["as_tensor"]["name"]),
    )
    version = found["schema_version"]
    schema = (whole(version["major"]), whole(version["minor"]))
    return program, Written(text(found["torch_version"]), whole(found["opset_version"]["aten"]), schema)


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _is_trained(held: Held) -> bool:
    return held.kind == "parameter" and held.meta.dtype == _FLOAT32


def _size(size: int | Count) -> dict[str, Any]:
    if not isinstance(size, Count):
        return {"as_int": size}
    symbol = f"Symbol('{_SYMBOL}', positive=True, integer=True)"
    text = symbol if size.factor == 1 else f"Mul(Integer({size.factor}), {symbol})"
    return {"as_expr": {"expr_str": text, "hint": {"as_int": _FACTOR * size.factor}}}


def _meta(meta: Meta, *, requires_grad: bool) -> dict[str, Any]:
    return {
        "dtype": meta.dtype,
        "sizes": list(map(_size, meta.sizes)),
        "requires_grad": requires_grad,
        "device": CPU,
        "strides": list(map(_size, meta.strides)),
        "storage_offset": {"as_int": 0},
        "layout": _STRIDED,
    }


def _spec(held: Held) -> dict[str, Any]:
    kind, name = _SPECS[held.kind]
    persistent = {"persistent": True} if held.kind == "buffer" else {}
    return {kind: {"arg": {"name": held.value}, name: held.path, **persistent}}


def _signature(image: str) -> dict[str, Any]:
    specs = {"in_spec": json.dumps(_ONE_ARGUMENT), "out_spec": json.dumps(_ONE_RESULT)}
    return {"inputs": [], "outputs": [], **specs, "forward_arg_names": [image]}


def _count(image: str) -> dict[str, Any]:
    inputs = [("self", tensor(image)), ("dim", {"as_int": 0})]
    return _call("sym_size.int", COUNT, [(*each, 1) for each in inputs], [{"as_sym_int": {"as_name": COUNT}}])


def _node(call: Call) -> dict[str, Any]:
    names = [name for name, _ in call.results]
    outputs = [{"as_tensors": [{"name": name} for name in names]}] if call.is_list else list(map(tensor, names))
    inputs = [(name, argument(value), 1) for name, value in call.arguments]
    inputs += [(name, argument(value), 2) for name, value in call.keywords]
    return _call(call.operator, call.name, inputs, outputs)


def _call(
    operator: str, name: str, inputs: Sequence[tuple[str, dict[str, Any], int]], outputs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "target": f"{_TARGET}{operator}",
        "inputs": [{"name": argument, "arg": value, "kind": kind} for argument, value, kind in inputs],
        "outputs": outputs,
        "metadata": {},
        "is_hop_single_tensor_return": None,
        "name": name,
    }


def _read_meta(found: Any) -> Meta:
    sizes, strides = (tuple(map(_read_size, found[name])) for name in ("sizes", "strides"))
    return Meta(whole(found["dtype"]), sizes, strides)


def _read_size(found: Any) -> int | Count:
    if "as_int" in found:
        return whole(found["as_int"])
    return Count(whole(found["as_expr"]["hint"]["as_int"]) // _FACTOR)


def _read_spec(found: Any, metas: Mapping[str, Meta]) -> Held:
    ((kind, spec),) = found.items()
    own, name = next((own, name) for own, (each, name) in _SPECS.items() if each == kind)
    value = text(spec["arg"]["name"])
    return Held(value, text(spec[name]), own, metas[value])


def _read_node(found: Any, metas: Mapping[str, Meta]) -> Call:
    outputs = found["outputs"]
    is_list = "as_tensors" in outputs[0]
    names = [
        text(each["name"]) for each in (outputs[0]["as_tensors"] if is_list else [o["as_tensor"] for o in outputs])
    ]
    inputs = [(text(each["name"]), read_argument(each["arg"]), whole(each["kind"])) for each in found["inputs"]]
    return Call(
        text(found["name"]),
        text(found["target"]).removeprefix(_TARGET),
        tuple((name, value) for name, value, kind in inputs if kind == 1),
        tuple((name, value) for name, value, kind in inputs if kind != 1),
        tuple((name, metas[name]) for name in names),
        is_list,
    )
