"""Every opset that is promised can be written, and is proven like any other artifact."""

import onnx
import pytest

from lenetx import formats
from lenetx.errors import InputError
from lenetx.proof import prove

# From the table of versions in the ONNX repository: the first IR version of the release that brought the opset.
IR_VERSIONS = {14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}


@pytest.mark.slow
@pytest.mark.parametrize("opset", IR_VERSIONS)
def test_it_is_written_and_proven(exported, reference, tmp_path, opset):
    path = tmp_path / "model.onnx"
    path.write_bytes(exported("onnx", opset=opset))
    model = onnx.load(path)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", opset)]
    assert model.ir_version == IR_VERSIONS[opset]
    prove(formats.open_artifact(path), reference).raise_if_failed()


@pytest.mark.slow
def test_tanh_and_average_pooling_are_converted_to_the_oldest_too(exported, checkpoints, tmp_path):
    import lenetx

    path = tmp_path / "model.onnx"
    path.write_bytes(exported("onnx", "lenet5-1998", opset=14))
    prove(formats.open_artifact(path), lenetx.reference(checkpoints["lenet5-1998"])).raise_if_failed()


@pytest.mark.parametrize("opset", [-1, 0, 13, 24, 1000])
def test_any_other_is_refused_with_those_that_there_are(exported, opset):
    with pytest.raises(InputError) as caught:
        exported("onnx", opset=opset)
    assert str(caught.value) == f"The opset is {opset}; lenetx writes 14 to 23."


def test_the_default_is_18(exported):
    assert exported("onnx") == exported("onnx", opset=18)
