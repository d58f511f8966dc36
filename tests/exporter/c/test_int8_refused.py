"""What has no integer formula or does not fit into integers, and files in int8 that were changed."""

import numpy as np
import pytest
from onnx import numpy_helper

from lenetx.errors import InputError
from lenetx.formats import export as export_as
from lenetx.formats import precisions
from lenetx.formats.c.reading import read
from lenetx.formats.c.source import SEAL, sealed, written
from lenetx.formats.network import Network
from lenetx_runtime import ArtifactError

from .int8_networks import Shifted, Swish, export_own


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Swish, "Mul 'mul.*' reads several tensors that are computed, for which there is no integer formula"),
        (Shifted, "'image' is not quantized before its use: Sub 'sub.*' reads it"),
    ],
)
def test_an_operator_without_an_integer_formula_is_named(kind, words):
    with pytest.raises(InputError, match=f"The network cannot be written as C: {words}"):
        export_own(kind)


def changed(source, changes):
    """Write the C file of a graph with other tensors, as lenetx would."""
    tensors = {tensor.name: tensor for tensor in source.model.graph.initializer}
    for name, change in changes.items():
        values = numpy_helper.to_array(tensors[name]).copy()
        tensors[name].CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), name))
    return written(source.model, source.spec, source.stem)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"fc1.bias": lambda bias: np.full_like(bias, 2**31 - 1)},
            "Gemm 'linear' has sums that may not fit into int32",
        ),
        ({"fc1.bias:scale": lambda scale: scale * 2}, "Gemm 'linear' has a bias whose scale is not that of its"),
        (
            {name: lambda scale: scale * np.float32(1e30) for name in ("conv1.bias:scale", "conv1.weight:scale")},
            "Conv 'conv2d' has a scale that is 2.30 times",
        ),
    ],
)
def test_numbers_that_do_not_fit_are_an_error_that_names_the_node(built_in, changes, words):
    with pytest.raises(InputError, match=words):
        changed(read(built_in["lenet5"].decode()), changes)


def resealed(text):
    return sealed(text.rpartition(SEAL)[0]).encode()


def test_a_multiplier_off_by_one_unit_is_found_by_writing_the_file_again(built_in, opened):
    text = built_in["lenet5"].decode()
    start = text.index("static const int32_t lenet5_int8_conv2_factors[16] = {\n") + 60
    end = text.index(",", start)
    assert text[start:end].isdigit()
    with pytest.raises(ArtifactError, match="differs from what lenetx writes for its graph"):
        opened(resealed(text[:start] + str(int(text[start:end]) + 1) + text[end:]))


@pytest.mark.parametrize("word", ["300", "0x1p3f", "x"])
def test_a_weight_that_is_no_int8_number_is_damage(built_in, opened, word):
    text = built_in["lenet5"].decode()
    start = text.index("static const int8_t lenet5_int8_fc1_weight[48000] = {\n") + 60
    start = text.index(" ", start) + 1
    damaged = text[:start] + word + text[text.index(",", start) :]
    with pytest.raises(ArtifactError, match="lenet5_int8_fc1_weight holds something other than int8 numbers"):
        opened(resealed(damaged))


def test_float16_is_an_error_that_says_where_it_is_available(checkpoint):
    assert precisions("c") == ("float32", "int8")
    with pytest.raises(
        InputError, match=r"^c files are float32 or int8 only; float16 is available as: onnx, openvino\.$"
    ):
        export_as("c", Network(checkpoint), options={"precision": "float16"})
