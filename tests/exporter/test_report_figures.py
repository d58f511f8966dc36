"""What a check measured, drawn: the limit is seen, pictures are the images, and no number is too strange."""

import base64
import io
import math
import re
from typing import Any

import numpy as np
import PIL.Image
import pytest

from lenetx.report import Check, Report, to_html

Figures = dict[str, Any]

EDGES = [0.0, *(10.0**k for k in range(-4, 3))]
IMAGE: Figures = {"image": 812, "logit": 3, "share": 12.5, "reference": 4.13, "artifact": 4.12, "label": "3"}


def page(figures: Figures) -> str:
    check = Check("real inputs", "10,000 images", "failed", 12.5, 1.0, "Sentence.", "end to end", figures)
    return to_html([Report((check,), {"python": "3.11"}, {"name": "net.onnx"}, {})])


def plot(figures: Figures) -> str:
    (drawn,) = re.findall(r"<svg.*?</svg>", page(figures), re.DOTALL)
    return str(drawn)


def errors(counts: list[int], *images: Figures, edges: list[float] = EDGES) -> Figures:
    return {"kind": "errors", "histogram": {"edges": edges, "counts": counts}, "worst": list(images)}


def layers(*shares: Any) -> Figures:
    profile = [{"layer": f"conv{i}", "share": s, "units": 4704, "passed": s == 0.5} for i, s in enumerate(shares)]
    return {"kind": "layers", "layers": profile}


def runs(share: Any) -> Figures:
    return {"kind": "runs", "runs": [{"engine": "one", "share": share, "comparisons": 1}]}


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_show_the_levels(channels: int) -> None:
    image = np.arange(3 * 4 * channels, dtype=np.uint8).reshape(3, 4, channels) * 7
    levels = base64.b64encode(image.tobytes()).decode()
    picture = {"height": 3, "width": 4, "channels": channels, "levels": levels}
    shown = page(errors([1] * 7, IMAGE | {"picture": picture}))
    (source,) = re.findall(r'<img src="data:image/png;base64,([^"]*)" alt="Image 812, label 3"', shown)
    with PIL.Image.open(io.BytesIO(base64.b64decode(source))) as decoded:
        assert np.array_equal(np.asarray(decoded).reshape(image.shape), image)


def test_what_is_beyond_the_limit_is_seen_and_told() -> None:
    within, beyond = plot(errors([7, 6, 5, 4, 3, 0, 0])), plot(errors([1] * 7))
    assert "25 logits, 0 of them beyond the limit." in within
    assert "7 logits, 2 of them beyond the limit." in beyond
    assert beyond.count("fill: var(--over)") == 2
    assert beyond.count("fill: var(--used)") == 5


def test_a_layer_that_failed_is_seen_and_told() -> None:
    profile = plot(layers(0.5, 83.0, 0.5))
    assert "conv0 50%; conv1 83 times, failed; conv2 50%." in profile
    assert profile.count("fill: var(--over)") == 1
    assert profile.count("fill: var(--used)") == 2


def test_an_engine_beyond_the_limit_is_seen() -> None:
    assert "var(--over)" in plot(runs(1.0001))
    assert "var(--over)" in plot(runs(math.nan))
    assert "var(--over)" not in plot(runs(1.0))


@pytest.mark.parametrize("share", [math.inf, math.nan, 0.0, 1e-30, 1e30, "inf", "nan"])
def test_shares_of_every_size_are_drawn(share: float | str) -> None:
    strange = IMAGE | {"share": share, "reference": math.nan, "artifact": "-inf", "picture": None}
    for figures in (errors([0] * 7, strange), layers(0.5, share), runs(share)):
        assert ("not finite" in page(figures)) is (str(share) in ("inf", "nan"))


@pytest.mark.parametrize("edges", [[0.0, 0.1, 1.0, math.inf], [0.01, 0.1, 1.0, 10.0], [1e-30, 1e-15, 1.0, "inf"]])
def test_edges_that_a_logarithmic_axis_does_not_have(edges: list[float]) -> None:
    assert "7 logits, 4 of them beyond the limit." in plot(errors([1, 2, 4], edges=edges))


def test_no_flips_and_no_images_are_said_and_not_divided_by() -> None:
    accuracies = {"reference_accuracy": 1.0, "artifact_accuracy": 1.0, "p_value": 1.0}
    assert "No label flips." in page({"kind": "flips", "flips": []} | accuracies)
    assert "0 of 0 images (0.00%)" in page({"kind": "margins", "certified": 0, "images": 0})
