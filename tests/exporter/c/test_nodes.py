"""The onnx package's own tests of operators, as C: all of them in one file, in which every name is distinct."""

import functools
import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

from lenetx.errors import InputError
from lenetx.formats.c.lower import OPERATORS
from lenetx.formats.c.program import program
from lenetx.formats.c.source import program_text

from .conftest import called

UNSUPPORTED = {
    "test_batchnorm_epsilon_training_mode": "has more than one output",
    "test_batchnorm_example_training_mode": "has more than one output",
    "test_reshape_allowzero_reordered": "has an axis of size 0",
    "test_training_dropout": "is in training mode",
    "test_training_dropout_default": "is in training mode",
}
"""Those that no deployed network needs; ``test_the_list…`` compares this list with what is refused."""


def is_float32(model):
    values = [model.graph.input[0], *model.graph.output]
    return all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in values)


@functools.cache
def cases():
    """Return (test, its model with one input, the program, input, output) of each, and why others are refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [
            case for case in load_model_tests(kind="node") if {n.op_type for n in case.model.graph.node} <= {*OPERATORS}
        ]
    usable, refused = [], {}
    for case in filter(lambda case: is_float32(case.model), found):
        model, (inputs, outputs) = onnx.ModelProto(), case.data_sets[0]
        model.CopyFrom(case.model)
        for value, array in zip([*model.graph.input][1:], inputs[1:], strict=True):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), value.name))
        del model.graph.input[1:]
        try:
            usable.append((case, model, program(model, case.name), np.asarray(inputs[0]), np.asarray(outputs[0])))
        except InputError as error:
            refused[case.name] = str(error)
    return usable, refused


@functools.cache
def text():
    """Return one C file with a function for each test."""
    lines = ["#include <stdint.h>", "#include <math.h>"]
    for case, model, found, _, _ in cases()[0]:
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        lines += program_text(found, values, case.name, [], found.functions)
        head = f"void {case.name}(const float *in, float *out, float *memory)"
        lines += [f"{head};", head, "{", f"    {case.name}_run(in, out, memory);", "}"]
    return "\n".join(lines)


def test_the_list_of_what_is_not_supported_is_what_is_refused():
    refused = cases()[1]
    assert {name: why for name, why in UNSUPPORTED.items() if why in refused[name]} == UNSUPPORTED
    assert refused.keys() == UNSUPPORTED.keys()
    assert len(cases()[0]) > 130


@pytest.mark.parametrize(
    "flags", [("-O0",), pytest.param(("-O2", "-march=native"), marks=pytest.mark.slow)], ids=" ".join
)
def test_every_float32_test_of_a_supported_operator_passes(library, flags):
    built = library(text(), *flags)
    for case, _, found, given, expected in cases()[0]:
        out, memory = np.full(expected.shape, np.nan, np.float32), np.full(found.floats, np.nan, np.float32)
        called(getattr(built, case.name), np.ascontiguousarray(given), out, memory)
        np.testing.assert_allclose(out, expected, rtol=case.rtol, atol=case.atol, err_msg=case.name)


def test_an_operator_without_c_is_named_with_its_node():
    from onnx import helper

    node = helper.make_node("Selu", ["x"], ["activated"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "activated")]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]))
    with pytest.raises(
        InputError, match=r"cannot be written as C: Selu 'activated' is an operator that lenetx does not"
    ):
        program(model, "net")
