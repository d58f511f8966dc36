"""Which text is the code of a network: what is written is read again, and nothing else is read."""

import pytest

from lenetx.errors import ArtifactError
from lenetx.formats.torchscript.code import Constant, Name, Program, Statement, numbers, read, renamed, write

FRAME = """class Net(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.nets.Net,
    x: Tensor) -> Tensor:
{}    return y
"""


def code(*lines):
    return FRAME.format("".join(f"    {line}\n" for line in lines))


LINES = {
    "y = torch.relu(x)": Statement(("y",), "relu", (Name("x"),)),
    "y = torch.hardtanh(x, 0., 6.5)": Statement(("y",), "hardtanh", (Name("x"), 0.0, 6.5)),
    "y = torch.cat([x, x], 1)": Statement(("y",), "cat", ((Name("x"), Name("x")), 1)),
    "y, z, = torch.max(x, 1)": Statement(("y", "z"), "max", (Name("x"), 1), unpacked=True),
    "y, = torch.chunk(x, 1, 1)": Statement(("y",), "chunk", (Name("x"), 1, 1), unpacked=True),
    "y = torch.add(x, CONSTANTS.c0, alpha=2)": Statement(("y",), "add", (Name("x"), Constant(0)), (("alpha", 2),)),
    'y = torch.gelu(x, approximate="tanh")': Statement(("y",), "gelu", (Name("x"),), (("approximate", "tanh"),)),
    'y = torch.einsum("bi,oi->bo", [x, x])': Statement(("y",), "einsum", ("bi,oi->bo", (Name("x"), Name("x")))),
    "y = torch.index(x, [None, CONSTANTS.c0])": Statement(("y",), "index", (Name("x"), (None, Constant(0)))),
    "y = torch.clamp(x, -inf, 1.0000000000000001e-05)": Statement(("y",), "clamp", (Name("x"), float("-inf"), 1e-05)),
    "y = torch.mul(x, -3)": Statement(("y",), "mul", (Name("x"), -3)),
    "y = torch.max_pool2d(x, [2, 2], [], [0, 0], [1, 1], True)": Statement(
        ("y",), "max_pool2d", (Name("x"), (2, 2), (), (0, 0), (1, 1), True)
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_what_is_written_is_read_again(line):
    program = Program("__torch__.nets.Net", "x", (LINES[line],), "y")
    assert write(program) == code(line)
    assert read(code(line)) == program


@pytest.mark.parametrize(
    "lines",
    [
        ["y = ops.aten.relu(x)"],
        ["y = self.weight"],
        ["y = x.y"],
        ["y = x"],
        ["y = CONSTANTS.c0"],
        ["y = torch.relu"],
        ["y = torch.relu(x) + x"],
        ["y = torch.relu(x))"],
        ["y = torch.relu(x"],
        ["y = torch.relu(x,, x)"],
        ["y = torch.relu(x, )"],
        ["y = torch.relu( x)"],
        ["y = torch.relu(torch.relu(x))"],
        ["y = torch.cat([[x], [x]])"],
        ["y = torch.relu(x) # why"],
        ["y = torch.relu(x); z = x"],
        ["y: int = 3"],
        ["if x:"],
        ["torch.relu(x)"],
        ["y = torch.nn.relu(x)"],
        ["  y = torch.relu(x)"],
        ["y = torch.relu(x)\r"],
        ["y = torch.relu(\u0131)"],
        ["y = torch.mul(x, 1.0)"],
        ["y = torch.mul(x, 01)"],
        ["y = torch.mul(x, 1e-05)"],
        ["y = torch.add(alpha=2, x)"],
        ['y = torch.gelu(x, approximate="a"b")'],
        ["y, z = torch.max(x, 1)"],
        ["y, y, = torch.max(x, 1)"],
        ["y = torch.relu(z)"],
        ["y = torch.relu(y)"],
        ["y = torch.relu(x)", "y = torch.relu(y)"],
        ["x = torch.relu(x)", "y = torch.relu(x)"],
        ["torch = torch.relu(x)", "y = torch.relu(x)"],
        ["inf = torch.relu(x)", "y = torch.relu(inf)"],
        ["return_ = torch.relu(x)", "y = torch.relu(x)"],
        ["if = torch.relu(x)", "y = torch.relu(if)"],
        ["y = torch.add(x, CONSTANTS.c1)"],
        [],
    ],
)
def test_anything_else_is_not(lines):
    with pytest.raises(ArtifactError, match="Its code is not that of a network that lenetx wrote: "):
        read(code(*lines))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "#",
        lambda text: "import os\n" + text,
        lambda text: text.replace("return y", "return torch.relu(y)"),
        lambda text: text * 2,
        lambda text: text.replace("__parameters__ = []", '__parameters__ = ["w"]'),
        lambda text: text.replace("self: __torch__.nets.Net", "self: __torch__.nets.Other"),
        lambda text: text.replace("x: Tensor)", "x: Tensor=torch.ones([1]))"),
        lambda text: text.replace("x: Tensor", "self: Tensor"),
        lambda text: text + "  def __setstate__(self, state: int) -> None:\n    return None\n",
        lambda text: text.replace("class Net(Module)", "class Net(Interface)"),
    ],
    ids=range(10),
)
def test_the_frame_is_matched_as_a_whole(change):
    text = code("y = torch.relu(x)")
    read(text)
    with pytest.raises(ArtifactError):
        read(change(text))


def test_fractions_are_found_wherever_they_are():
    program = read(code("z = torch.mul(x, 0.5)", "y = torch.foo(z, [1.5, 2], 3, other=inf)"))
    assert numbers(program) == {0.5, 1.5, float("inf")}


def test_programs_are_the_same_whatever_their_names():
    one = read(code("z = torch.relu(x)", "y = torch.add(z, x)"))
    other = read(code("x0 = torch.relu(x)", "y = torch.add(x0, x)"))
    assert renamed(one) == renamed(other) != renamed(read(code("z = torch.relu(x)", "y = torch.add(x, z)")))
