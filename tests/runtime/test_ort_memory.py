"""A small file cannot make the engine take all memory, and what was taken is given back."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from lenetx_runtime import ArtifactError, Classifier, ModelSpec
from lenetx_runtime.ort import memory_for

GIB = 2**30


def asking_for(nodes, numbers=GIB // 2, **tensors):
    """Return an edit that makes a large value, ``big``, and adds its largest number to the logits."""

    def edit(model):
        model.graph.node[-1].output[0] = "sums"
        for name, each in ({"numbers": [1, numbers]} | tensors).items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(each), name))
        model.graph.node.extend([*nodes, helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0)])
        model.graph.node.append(helper.make_node("Add", ["sums", "most"], ["logits"]))

    return edit


MEAN = helper.make_node("ReduceMean", ["sums"], ["mean"], keepdims=0)
LARGE = {
    "a constant": asking_for([helper.make_node("ConstantOfShape", ["numbers"], ["big"])]),
    "expanded": asking_for([MEAN, helper.make_node("Expand", ["mean", "numbers"], ["big"])]),
    "repeated": asking_for([helper.make_node("Tile", ["image", "times"], ["big"])], times=[1, 1, 2**14, 32]),
    "padded": asking_for([helper.make_node("Pad", ["image", "around"], ["big"])], around=[0, 0, 2**24, 0, 0, 0, 0, 0]),
    "resized": asking_for(
        [helper.make_node("Resize", ["image", "", "times"], ["big"], mode="nearest")],
        times=np.array([1, 1, 2**14, 32], np.float32),
    ),
    "multiplied": asking_for(
        [
            helper.make_node("Reshape", ["flat", "high"], ["column"]),
            helper.make_node("Reshape", ["flat", "wide"], ["row"]),
            helper.make_node("Concat", ["column"] * 60, ["columns"], axis=1),
            helper.make_node("MatMul", ["columns", "row"], ["big"]),
        ],
        high=[-1, 400, 1],
        wide=[-1, 1, 400],
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_graph_that_asks_for_gigabytes_is_refused(build_model, seven, kind):
    classifier = Classifier(build_model(LARGE[kind]), device="cpu")
    with pytest.raises(ArtifactError, match="onnxruntime cannot run the model"):
        classifier.predict_batch([seven] * 24)


def test_a_modest_one_runs_and_the_next_model_has_memory_of_its_own(build_model, seven):
    modest = build_model(asking_for([helper.make_node("ConstantOfShape", ["numbers"], ["big"])], numbers=10**8))
    first, second = Classifier(modest, device="cpu"), Classifier(modest, device="cpu")
    assert first.predict(seven) == second.predict(seven)


def test_large_networks_and_inputs_have_more(spec_fields):
    def memory(size=2**18, **fields):
        return memory_for(bytes(size), ModelSpec(**spec_fields | fields))

    photo = {"channels": 3, "mean": (0.5,) * 3, "std": (0.5,) * 3, "height": 224, "width": 224, "padding": 0}
    photo |= {"framing": "stretch", "polarity": "as_is"}
    assert memory() < 0.8 * GIB
    assert memory(2**27) > memory() + 2**28
    assert memory(**photo, batch=64) > 4 * GIB
    assert memory(**photo, batch=1024) < 17 * GIB
