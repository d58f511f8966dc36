"""What no graph of a network may do, told by the graph that libtorch holds."""

import pytest
import torch
from torch import nn

from lenetx.errors import ArtifactError
from lenetx.formats.torchscript.code import Name, Statement
from lenetx.formats.torchscript.graph import program_of, training_operators

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
CODE = "def forward(self, x):\n    {}\n    return y\n"


def graph(*lines):
    """The graph of a method that reads no attribute."""
    return torch.jit.CompilationUnit(CODE.format("\n    ".join(lines))).forward.graph


def test_calls_are_read_without_their_defaults():
    program = program_of(graph("z = torch.flatten(x, 1, -1)", "y = torch.add(z, z, alpha=2)"))
    names = [each.results[0] for each in program.statements]
    assert program.statements == (
        Statement((names[0],), "flatten", (Name(program.image), 1)),
        Statement((names[1],), "add", (Name(names[0]), Name(names[0])), (("alpha", 2),)),
    )


LAWFUL = {
    "the number of images in a shape": ["b = x.size(0)", "y = x.view([b, -1])"],
    "a list that is taken apart": ["a, b = torch.chunk(x, 2, 1)", "y = torch.add(a, b)"],
    "norms of each image by itself": ["y = torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, False)"],
}


@pytest.mark.parametrize("kind", LAWFUL)
def test_what_networks_do_is_let_pass(kind):
    found = graph(*LAWFUL[kind])
    assert program_of(found).statements
    assert not training_operators(found)


FORBIDDEN = {
    "changes its input": (["y = x.mul_(2)"], "mul_ changes a tensor in place"),
    "changes a value": (["z = torch.relu(x)", "y = z.add_(1)"], "add_ changes a tensor in place"),
    "changes it by name": (["z = torch.relu(x)", "y = z.mul_(other=x)"], "mul_ changes a tensor in place"),
    "writes to another": (["z = torch.relu(x)", "y = torch.add(x, 1, out=z)"], "add changes a tensor in place"),
    "changes statistics": (
        ["m = torch.amax(x, [0])", "y = torch.batch_norm(x, None, None, m, m, True, 0.1, 1e-5, False)"],
        "batch_norm changes its statistics",
    ),
    "branches": (
        ["if bool(torch.amax(x) > 1):", "    y = x", "else:", "    y = torch.relu(x)"],
        "returns more|prim::If",
    ),
    "loops": (["y = x", "for i in range(3):", "    y = torch.relu(y)"], "it has prim::Loop"),
    "prints": (["print(x)", "y = torch.relu(x)"], "it has prim::Print"),
    "saves": (["torch.save(x, 'planted')", "y = torch.relu(x)"], "save returns more than tensors"),
    "maps a file": (["y = torch.from_file('planted', True, 8)"], "from_file reads no tensor"),
    "makes numbers": (["y = torch.rand([2, 3])"], "rand reads no tensor"),
    "reads a number": (["y = torch.mul(x, x.item())"], "item returns more than tensors"),
    "reads another size": (["y = x.view([x.size(1), -1])"], "a size that is not the number of images"),
    "reads all sizes": (["y = x.view(x.size())"], "a size that is not the number of images"),
    "reads the size of a value": (
        ["z = torch.relu(x)", "y = z.view([z.size(0), -1])"],
        "a size that is not the number of images",
    ),
    "computes with the number of images": (
        ["y = torch.mul(x, x.size(0))"],
        "computes with the number of images",
    ),
    "regroups rows from some number on": (
        ["b = x.size(0) - 1000", "y = x.view([b, -1])"],
        "sub returns more than tensors",
    ),
    "divides the number of images": (["y = x.view([x.size(0) // 1001 + 1, -1])"], "returns more than"),
    "returns the number of images": (["y = x.size(0)"], "it returns no tensor"),
    "returns two": (["y = (x, x)"], "prim::TupleConstruct"),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_what_no_network_does_is_refused(kind):
    lines, words = FORBIDDEN[kind]
    with pytest.raises(ArtifactError, match=f"Its code is not that of a network that lenetx wrote: .*({words})"):
        program_of(graph(*lines))


def test_an_archives_own_attributes_are_not_read():
    with pytest.raises(ArtifactError, match="it has prim::GetAttr"):
        program_of(torch.jit.script(nn.Linear(2, 2)).graph)


@pytest.mark.parametrize(
    "line",
    [
        "y = torch.dropout(x, 1e-9, True)",
        "y = torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)",
        "y = torch.rand_like(x)",
        "y = torch.rrelu(x, 0.1, 0.2, True)",
    ],
)
def test_operators_that_run_as_in_training_are_named(line):
    assert len(training_operators(graph(line))) == 1
