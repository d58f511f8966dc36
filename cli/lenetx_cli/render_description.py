"""Print a file's metadata and its parameters as tables."""

import json
from typing import TYPE_CHECKING

from lenetx_runtime.values import visible

if TYPE_CHECKING:
    from rich.console import Console

    from lenetx.publishing.inspection import Description

__all__ = ["draw"]


def draw(console: "Console", content: "Description") -> None:
    """Print a file's metadata, then its parameters."""
    from rich.table import Table

    plain = content.to_dict()
    facts = {key: value for key, value in plain["facts"].items() if key != "history" and value is not None}
    spec = {key: value for key, value in (plain["spec"] or {}).items() if value is not None}
    if content.spec is not None and content.spec.selftest is not None:  # its arrays would fill the screen
        spec["selftest"] = f"{len(content.spec.selftest.logits)} images"
    proof = {"proof": visible(facts.pop("proof"))} if "proof" in facts else {}
    rows = proof | {"file": content.name, "kind": content.kind, "size": f"{content.size_bytes:,} bytes"} | spec | facts
    about = Table(box=None, pad_edge=False, show_header=False)
    about.add_column("field")
    about.add_column("value", overflow="fold")
    for key, value in rows.items():
        about.add_row(key, visible(value) if isinstance(value, str) else json.dumps(value))
    parameters = Table(box=None, pad_edge=False)
    for heading in ("parameter", "shape", "count", "smallest", "largest"):
        parameters.add_column(heading, justify="left" if heading == "parameter" else "right")
    for each in content.parameters:
        shape = "×".join(map(str, each.shape))
        parameters.add_row(visible(each.name), shape, f"{each.count:,}", f"{each.minimum:.6f}", f"{each.maximum:.6f}")
    parameters.add_row("all", "", f"{sum(each.count for each in content.parameters):,}")
    console.print(about, markup=False, highlight=False)
    console.print(parameters, highlight=False, markup=False)
