"""Faults in the code of a TorchScript archive that its grammar lets pass: each is named with its place."""

import json

import pytest

from lenetx.data import archive
from lenetx.errors import ArtifactError
from lenetx.formats.torchscript.code import read
from lenetx.formats.torchscript.records import packed
from lenetx.graph import difference
from lenetx_runtime.spec import METADATA_KEY

NAMES = f"extra/{METADATA_KEY}.weights.json"
LAST = "    return _0"
MORE = "The artifact computes more than the network's code: "
POOL = "max-pooling 2×2, stride 2"
FAULTS = {
    "missing ReLU": (
        (
            "    input1 = torch.relu(input0)\n    input2 = torch._convolution(input1,",
            "    input2 = torch._convolution(input0,",
        ),
        f"Behind {POOL} after conv1 the network's code has ReLU; the artifact has the convolution conv2 5×5.",
    ),
    "average for max": (
        ("torch.max_pool2d(input, ", "torch.avg_pool2d(input, "),
        f"Behind conv1 the network's code has {POOL}; the artifact has average pooling 2×2, stride 2.",
    ),
    "stride": (
        ("torch.max_pool2d(input2, [2, 2], [2, 2])", "torch.max_pool2d(input2, [2, 2], [2, 2], [0, 0], [1, 1], True)"),
        None,  # rounded up, 10 / 2 is 5 as well
    ),
    "padding": (
        ("[1, 1], [0, 0], [1, 1]", "[1, 1], [2, 2], [2, 2]"),
        "the artifact has the convolution conv1 5×5, dilation 2, pads 2.",
    ),
    "other words": (
        (
            "    input8 = torch.linear(input7, CONSTANTS.c6, CONSTANTS.c7)",
            "    turned = torch.t(CONSTANTS.c6)\n    product = torch.matmul(input7, turned)\n"
            "    input8 = torch.add(product, CONSTANTS.c7)",
        ),
        None,
    ),
    "softmax": ((LAST, "    _1 = torch.softmax(_0, 1)\n    return _1"), f"{MORE}softmax over axis 1."),
    "a power of the logits": ((LAST, "    _1 = torch.pow(_0, 1)\n    return _1"), f"{MORE}a power of 1."),
    "arithmetic without a number": (
        (
            LAST,
            "    _1 = torch.exp(_0)\n    _2 = torch.add(_1, _1)\n    _3 = torch.div(_1, _2)\n"
            "    _4 = torch.add(_0, _3)\n    return _4",
        ),
        f"{MORE}exp; an addition; a quotient; an addition.",
    ),
    "a factor that adds": (
        (LAST, "    _1 = torch.add(_0, _0, alpha=0)\n    return _1"),
        f"{MORE}a product with 0; an addition.",
    ),
    "the input once more": (
        (
            LAST,
            "    _1 = torch.flatten(image, 1)\n    _2 = torch.slice(_1, 1, 3, 13)\n"
            "    _3 = torch.add(_0, _2)\n    return _3",
        ),
        f"{MORE}a shape of 1024; 10 of axis 1 from 3 on, step 1; an addition.",
    ),
    "dropout in training": (
        (LAST, "    _1 = torch.dropout(_0, 0.5, True)\n    return _1"),
        "What the artifact computes cannot be read: it changes a part of a value in place (bernoulli_).",
    ),
    "a slice whose end is computed": (
        (
            LAST,
            "    _1 = torch.flatten(image, 1)\n    _2 = torch.argmax(_1, 1)\n"
            "    _3 = torch.amax(_2, [0], True)\n    _4 = torch.add(_3, 10)\n"
            "    _5, _6, = torch.tensor_split(_0, _4, 1)\n    return _5",
        ),
        "What the artifact computes cannot be read: it computes what no operator is seen to read",
    ),
    "changed weights": (
        (
            "    input8 = torch.linear(input7, CONSTANTS.c6",
            "    twice = torch.mul(CONSTANTS.c6, 2)\n    input8 = torch.linear(input7, twice",
        ),
        "Behind ReLU after fc1 the network's code has the dense layer fc2; "
        "the artifact has a dense layer with a constant of 84×120, fc2.bias.",
    ),
}


def damaged(records, old, new):
    name = next(name for name in records if name.startswith("code/"))
    changed = records[name].decode().replace(old, new, 1)
    assert changed != records[name].decode()
    version = packed(read(changed), ())["version"]  # a later one where an operator had another meaning once
    return archive.pack(records | {name: changed.encode(), "version": version})


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(lenet5, records, fault):
    change, words = FAULTS[fault]
    found = difference(lenet5.expression, lenet5.torchscript(damaged(records, *change)))
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(words) or found.endswith(words)


def test_swapped_names_of_weights(lenet5, records):
    names = json.loads(records[NAMES])
    places = names.index("conv1.bias"), names.index("conv1.weight")
    for place, name in zip(places, ("fc9.bias", "fc9.weight"), strict=True):
        names[place] = name
    records[NAMES] = json.dumps(names).encode()
    assert difference(lenet5.expression, lenet5.torchscript(archive.pack(records))) == (
        "Behind the input the network's code has the convolution conv1 5×5; the artifact has the convolution fc9 5×5."
    )


def test_what_does_not_run_says_so(lenet5, records):
    found = lenet5.torchscript(damaged(records, "torch.flatten(input4, 1)", "torch.flatten(input4, 2)"))
    assert difference(lenet5.expression, found).startswith(
        "What the artifact computes cannot be read: torch cannot run it"
    )


def test_unnamed_weights_are_refused(lenet5, records):
    records[NAMES] = b"[]"
    with pytest.raises(ArtifactError, match="It does not name each of its 10 weights"):
        lenet5.torchscript(archive.pack(records))
