"""Which code of TorchScript is a network's."""

import pytest

from lenetx.formats.torchscript_code import numbers_of

FRAME = """class Net(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.nets.Net,
    x: Tensor) -> Tensor:
{}    return y
"""


def numbers(*lines):
    return numbers_of(FRAME.format("".join(f"    {line}\n" for line in lines)))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("y = torch.relu_(x)", set()),
        ("y = torch.hardtanh(x, 0., 6.)", {0.0, 6.0}),
        ("y = torch.cat([x, torch.relu_(x)], 1)", set()),
        ("a, b, = torch.chunk(x, 2, 1)", set()),
        (
            "y = torch.batch_norm(x, CONSTANTS.c0, None, x, x, False, 0.1, 1.0000000000000001e-05, True)",
            {0.1, 1e-5},
        ),
        ("y = torch.add(x, x, alpha=1)", set()),
        ('y = torch.gelu(x, approximate="none")', set()),
        ("y = torch.view(x, [int(ops.prim.NumToTensor(torch.size(x, 0))), -1])", set()),
        ("y = torch.mul(x, -0.5)", {-0.5}),
    ],
)
def test_straight_lines_of_operators_are_a_networks(line, found):
    assert numbers(line) == found


@pytest.mark.parametrize(
    "line",
    [
        "y = torch.save(x, x)",
        "y = torch.from_file(x, True, 8)",
        "y = ops.aten.relu(x)",
        "y = ops.prim.Print(x)",
        "y = self.weight",
        "y = x.y",
        "y = torch.relu",
        'y = torch.relu("planted")',
        "y = torch.relu(x) + x",
        "y = torch.relu(x))",
        "y = torch.relu(x",
        "y = torch.relu(x,, x)",
        "y = torch.relu(x) # why",
        "y = torch.relu(x); z = x",
        "y: int = 3",
        "if x:",
        "torch.relu(x)",
        "  y = torch.relu(x)",
        "y = torch.relu(x)\r",
        "y = torch.rand([2, 3])",
        "y = uninitialized(Tensor)",
        "y = " + "[" * 40 + "]" * 40,
        "y = torch.relu(\u0131)",
    ],
)
def test_anything_else_is_not(line):
    assert numbers(line) is None


@pytest.mark.parametrize(
    "lines",
    [
        ["a = torch.add(x, CONSTANTS.c0)", "y = torch.relu_(a)"],
        ["a, b, = torch.chunk(x, 2, 1)", "y = torch.mul_(b, 2)"],
        ["y = torch.relu_(torch._convolution(x, CONSTANTS.c0, CONSTANTS.c1))"],
        ["a = [x, torch.relu(x)]", "y = torch.relu_(torch.cat(a, 1))"],
    ],
)
def test_what_comes_from_the_input_may_be_changed_in_place(lines):
    assert numbers(*lines) == set()


@pytest.mark.parametrize(
    "lines",
    [
        ["y = torch.add_(CONSTANTS.c0, x)"],
        ["a = CONSTANTS.c0", "y = torch.relu_(a)"],
        ["a = torch.view(CONSTANTS.c0, [int(ops.prim.NumToTensor(torch.size(x, 0))), -1])", "y = torch.add_(a, x)"],
        ["a, b, = (x, CONSTANTS.c0)", "y = torch.add_(b, x)"],
        ["y = torch.relu(torch.add_(CONSTANTS.c0, x))"],
        ["y = torch.cat([x, torch.mul_(CONSTANTS.c0, 2)], 1)"],
        ["x = CONSTANTS.c0", "y = torch.relu_(x)"],
        ["y = torch.add_()"],
    ],
)
def test_weights_may_not(lines):
    """Else every answer would depend on how many were given before it."""
    assert numbers(*lines) is None


SIZE = "ops.prim.NumToTensor(torch.size(x, 0))"


@pytest.mark.parametrize(
    "lines",
    [
        [f"a = {SIZE}", "y = torch.view(x, [int(a), -1])"],
        [f"y = torch.reshape(x, [int(torch.floor_divide({SIZE}, CONSTANTS.c0)), -1])"],
        [f"y = torch.view(x, [int(torch.mul({SIZE}, CONSTANTS.c0)), -1])"],
        [f"y = torch.expand(CONSTANTS.c0, [int({SIZE}), -1, -1])"],
        ["y = torch.view(torch.relu(x), torch.size(x))"],
        [f"a = int({SIZE})", f"y = torch.relu_(torch.unflatten(x, 0, [a, {SIZE}]))"],
    ],
)
def test_sizes_may_say_shapes(lines):
    assert numbers(*lines) == set()


@pytest.mark.parametrize(
    "lines",
    [
        [f"y = torch.mul(x, torch.add(torch.floor_divide({SIZE}, 1001), 1))"],
        [f"y = torch.mul(x, int({SIZE}))"],
        [f"a = torch.floor_divide({SIZE}, 1001)", "y = torch.add(x, a)"],
        [f"y = torch.add(x, x, alpha=int({SIZE}))"],
        [f"y = torch.slice(x, 0, int(torch.floor_divide({SIZE}, 1001)))"],
        [f"y = torch.pad(x, [0, int({SIZE})])"],
        [f"a = [int({SIZE}), 1]", "y = torch.adaptive_avg_pool2d(x, a)"],
        [f"a = [x, {SIZE}]", "y = torch.cat(a)"],
        [f"y = torch.clamp_max(x, int({SIZE}))"],
        [f"a, b, = (int({SIZE}), x)", "y = torch.mul(b, a)"],
        [f"y = {SIZE}"],
        [f"y = torch.view({SIZE}, [1, 1])"],
        [f"y = torch.mul_({SIZE}, 2)"],
        ["y = torch.view(x, [int(torch.floor_divide(torch.sum(x), 1000)), -1])"],
        ["y = torch.mul(x, int(torch.sum(x)))"],
    ],
)
def test_sizes_may_say_nothing_else(lines):
    """Else a factor may be 1 for each batch that anyone tries, and no intermediate result shows it."""
    assert numbers(*lines) is None


def test_the_frame_is_matched_as_a_whole():
    code = FRAME.format("    y = torch.relu(x)\n")
    assert numbers_of(code) == set()
    for changed in (code + "#", "import os\n" + code, code.replace("return y", "return torch.save(y)"), code * 2):
        assert numbers_of(changed) is None
    assert numbers_of(code.replace("return y", "return torch.flatten(y, 1)")) == set()
