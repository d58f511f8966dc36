"""Changes of the document of a ``.pt2`` archive."""

import json
from collections.abc import Callable
from typing import Any

Records = dict[str, bytes]
MODEL = "models/model.json"


def changed(records: Records, change: Callable[[Any], object]) -> Records:
    """Change the document of the program."""
    document = json.loads(records[MODEL])
    change(document)
    contents = json.dumps(document, separators=(",", ":")).encode()
    assert contents != records[MODEL]
    return records | {MODEL: contents}


def graph_of(document: Any) -> Any:
    return document["graph_module"]["graph"]


def node_of(document: Any, name: str) -> Any:
    return next(node for node in graph_of(document)["nodes"] if node["name"] == name)


def argument_of(node: Any, name: str) -> Any:
    return next(each["arg"] for each in node["inputs"] if each["name"] == name)


def reads(value: str, position: str, name: str = "self") -> Callable[[Any], None]:
    """Make a node read another value."""
    return lambda document: argument_of(node_of(document, position), name).update(as_tensor={"name": value})


def behind(target: str, extra: list[Any] = (), name: str = "extra", like: str = "linear_2") -> Callable[[Any], None]:
    """Compute the logits by one more call."""

    def change(document: Any) -> None:
        graph = graph_of(document)
        inputs = [{"name": "self", "arg": {"as_tensor": {"name": "linear_2"}}, "kind": 1}]
        inputs += [{"name": key, "arg": value, "kind": 1} for key, value in extra]
        last = {"outputs": [{"as_tensor": {"name": name}}], "metadata": {}, "is_hop_single_tensor_return": None}
        graph["nodes"].append({"target": target, "inputs": inputs, **last, "name": name})
        graph["tensor_values"][name] = graph["tensor_values"][like]
        graph["outputs"] = [{"as_tensor": {"name": name}}]
        document["graph_module"]["signature"]["output_specs"] = [
            {"user_output": {"arg": {"as_tensor": {"name": name}}}}
        ]

    return change


def setting(node: str, name: str, value: Any) -> Callable[[Any], None]:
    """Change an argument of a node."""

    def change(document: Any) -> None:
        arguments = node_of(document, node)["inputs"]
        found = next((each for each in arguments if each["name"] == name), None)
        if found is None:
            arguments.append({"name": name, "arg": value, "kind": 1})
        else:
            found["arg"] = value

    return change


def both(*changes: Callable[[Any], object]) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for each in changes:
            each(document)

    return change


def target(node: str, operator: str) -> Callable[[Any], None]:
    return lambda document: node_of(document, node).update(target=f"torch.ops.aten.{operator}")


PLANT = "__import__('pathlib').Path('planted').touch()"


def graph(**fields: Any) -> Callable[[Any], None]:
    return lambda document: graph_of(document).update(fields)


def top(**fields: Any) -> Callable[[Any], None]:
    return lambda document: document.update(fields)


def size(expression: str, name: str = "relu") -> Callable[[Any], None]:
    def change(document: Any) -> None:
        graph_of(document)["tensor_values"][name]["sizes"][0]["as_expr"]["expr_str"] = expression

    return change


def renamed(old: str, new: str) -> Callable[[Any], None]:
    """Rename a value everywhere."""

    def change(document: Any) -> None:
        text = json.dumps(document).replace(json.dumps(old), json.dumps(new))
        document.clear()
        document.update(json.loads(text))

    return change
