import dataclasses
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.layout import LAYOUTS
from lenetx_runtime.spec import DEFAULT_INTERPOLATION, INTERPOLATIONS, ORIGINS, POLARITIES, UNKNOWN

OPTIONAL = ("selftest", "layout", "network_output", "resize", "origin")
NEUTRAL = {"padding": 0, "scale": 1 / 255, "mean": [0.0], "std": [1.0]}
"""What a spec says of preprocessing that nobody knows."""
QUICK = settings(deadline=None, derandomize=True, max_examples=150)

names = st.text(min_size=1, max_size=20)
sides = st.integers(1, 2000)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
finite = st.floats(-1e9, 1e9)
positive = st.floats(1e-9, 1e9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def specs(draw):
    framing = draw(st.sampled_from(sorted(POLARITIES)))
    channels = 1 if framing == "mnist" else draw(st.sampled_from([1, 3]))
    height, width = (28, 28) if framing == "mnist" else draw(st.tuples(sides, sides))
    known = framing != UNKNOWN
    padding = draw(st.integers(0, 9)) if known else 0
    is_cut = framing == "crop" or (framing == "stretch" and draw(st.booleans()))
    is_plain = framing in ("mnist", UNKNOWN)
    return ModelSpec(
        architecture=draw(names),
        channels=channels,
        height=height + 2 * padding,
        width=width + 2 * padding,
        padding=padding,
        framing=framing,
        polarity=POLARITIES[framing],
        interpolation=DEFAULT_INTERPOLATION if is_plain else draw(st.sampled_from(INTERPOLATIONS)),
        resize=max(height, width) + draw(st.integers(0, 9)) if is_cut else None,
        scale=draw(positive) if known else 1 / 255,
        mean=tuple(draw(finite) if known else 0.0 for _ in range(channels)),
        std=tuple(draw(positive) if known else 1.0 for _ in range(channels)),
        labels=tuple(draw(st.lists(st.text(min_size=1, max_size=9), min_size=2, max_size=12, unique=True))),
        weights_sha256=draw(digests),
        producer=draw(names),
        input_name=draw(names),
        output_name=draw(names),
        batch=draw(st.just("dynamic") | st.integers(1, 16)),
        content_sha256=draw(st.none() | digests),
        layout=draw(st.sampled_from([name for name in LAYOUTS if name != "nhw" or channels == 1])),
        origin=draw(st.sampled_from(ORIGINS)),
    )


@QUICK
@given(specs())
def test_what_is_written_is_read_back_equal(spec):
    assert ModelSpec.from_json(spec.to_json()) == spec


@QUICK
@given(specs())
def test_the_text_is_canonical(spec):
    text = spec.to_json()
    assert text.isascii()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


@QUICK
@given(st.text())
def test_any_text_is_refused_with_one_kind_of_error(text):
    with pytest.raises(ArtifactError):
        ModelSpec.from_json(text)


@QUICK
@given(st.data())
def test_any_value_in_any_field_is_kept_exactly_or_refused(spec, data):
    name = data.draw(st.sampled_from([field.name for field in dataclasses.fields(ModelSpec)]))
    fields = json.loads(spec.to_json()) | {name: data.draw(json_values)}
    try:
        read = ModelSpec.from_json(json.dumps(fields))
    except ArtifactError:
        return
    assert json.loads(read.to_json()) == fields


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", 0),
        ("channels", 2),
        ("channels", 4),
        ("channels", True),
        ("channels", 1.0),
        ("channels", [1]),
        ("height", "32"),
        ("width", 32.0),
        ("height", True),
        ("padding", -1),
        ("batch", 0),
        ("batch", "any"),
        ("batch", True),
        ("batch", 10**12),
        ("largest_batch", 0),
        ("largest_batch", None),
        ("largest_batch", True),
        ("height", 10**7),
        ("padding", 10**6),
        ("architecture", ""),
        ("producer", None),
        ("input_name", 3),
        ("output_name", ""),
        ("framing", "zoom"),
        ("framing", None),
        ("interpolation", "nearest"),
        ("polarity", "dark_on_light"),
        ("output", "labels"),
        ("layout", "chwn"),
        ("layout", "nchw"),
        ("layout", None),
        ("origin", "exported"),
        ("origin", "proven"),
        ("origin", None),
        ("network_output", None),
        ("resize", None),
        ("resize", 0),
        ("network_output", 1),
        ("network_output", ""),
        ("scale", 0),
        ("scale", -1.0),
        ("scale", float("nan")),
        ("scale", float("inf")),
        ("mean", []),
        ("mean", [0.1, 0.1]),
        ("mean", ["0.1"]),
        ("mean", 0.1),
        ("mean", [float("nan")]),
        ("std", [0.0]),
        ("std", [-0.3]),
        ("std", [True]),
        ("std", [1e-310]),
        ("mean", [10**300]),
        ("scale", 1e300),
        ("labels", ["only one"]),
        ("labels", "0123456789"),
        ("labels", ["a", 1]),
        ("labels", ["a", ""]),
        ("labels", ["a", "\ud800"]),
        ("labels", ["a", "b" * (2**16 + 1)]),
        ("weights_sha256", None),
        ("weights_sha256", "AB" * 32),
        ("weights_sha256", "ab" * 31),
        ("content_sha256", "ab" * 32 + "\n"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_by_name(spec, name, value):
    with pytest.raises(ArtifactError, match=name):
        ModelSpec.from_json(json.dumps(json.loads(spec.to_json()) | {name: value}))


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600"])
def test_a_text_of_millions_of_letters_is_refused_at_once(spec, letter):
    text = json.dumps(json.loads(spec.to_json()) | {"architecture": letter * 10**7}, ensure_ascii=False)
    start = time.process_time()
    with pytest.raises(ArtifactError, match=r"architecture is .{200,210}, not a text"):
        ModelSpec.from_json(text)
    assert time.process_time() - start < 10


def test_the_largest_inputs_that_float32_holds_are_taken(spec):
    for mean, std in ((0.0, 2.0**-127), (3e38, 1.0), (-3e38, 1.0)):
        assert dataclasses.replace(spec, mean=(mean,), std=(std,)).std == (std,)


def test_a_field_with_a_name_that_cannot_be_printed_is_named_all_the_same(spec):
    fields = json.loads(spec.to_json()) | {"\ud800": 1}
    with pytest.raises(ArtifactError, match=r"unknown fields: '\\ud800'"):
        ModelSpec.from_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("framing", "fields", "problem"),
    [
        ("mnist", {"polarity": "as_is"}, "polarity is 'as_is', not light_on_dark"),
        ("stretch", {"polarity": "light_on_dark"}, "polarity is 'light_on_dark', not as_is"),
        ("letterbox", {"polarity": "light_on_dark"}, "polarity is 'light_on_dark', not as_is"),
        ("mnist", {"padding": 3}, r"input_shape is \(1, 32, 32\), not 1×28×28 and the padding"),
        ("mnist", {"width": 33}, r"input_shape is \(1, 32, 33\)"),
        ("mnist", {"channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3}, r"input_shape is \(3, 32, 32\)"),
        ("mnist", {"padding": 16}, "padding is 16, not less than half of the height 32 and the width 32"),
        ("stretch", {"padding": 16}, "padding is 16, not less than half"),
        ("letterbox", {"padding": 2, "height": 4}, "padding is 2, not less than half of the height 4"),
        (
            "stretch",
            {"height": 8192, "width": 8193},
            r"input_shape is \(1, 8192, 8193\), not at most 67,108,864 numbers",
        ),
        (
            "stretch",
            {"height": 8192, "width": 8192, "batch": 5},
            "batch is 5, not one whose inputs have at most 268,435,456 numbers together",
        ),
        (
            "stretch",
            {"layout": "nhw", "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3},
            "layout is 'nhw', not one with",
        ),
        ("crop", {}, "resize is None, not 28 .the frame's longer side. to 8192 pixels"),
        ("crop", {"resize": 27}, "resize is 27, not 28"),
        ("crop", {"resize": 8193}, "resize is 8193, not 28"),
        ("crop", {"resize": 40.0}, "resize is 40.0, not 28"),
        ("stretch", {"resize": True}, "resize is True, not 28"),
        ("letterbox", {"resize": 40}, "resize is 40, not null, as the framing letterbox crops nothing"),
        ("mnist", {"resize": 40}, "resize is 40, not null"),
        (
            "mnist",
            {"interpolation": "bicubic"},
            "interpolation is 'bicubic', not lanczos, the only one",
        ),
        ("stretch", {"channels": 3}, "mean is .*, not a number per channel; std is .*, not a positive number per"),
        ("letterbox", {"channels": 3, "mean": [0.5] * 3, "std": [0.5, 0.5, 0]}, "std is .*, not a positive number per"),
        (UNKNOWN, NEUTRAL | {"polarity": "light_on_dark"}, "polarity is 'light_on_dark', not as_is"),
        (UNKNOWN, NEUTRAL | {"padding": 2}, "padding is 2, not 0: the framing is unknown"),
        (UNKNOWN, NEUTRAL | {"scale": 1}, "scale is 1, not 0.0039.*: the framing is unknown"),
        (UNKNOWN, NEUTRAL | {"mean": [0.5]}, r"mean is \(0.5,\), not .*: the framing is unknown"),
        (UNKNOWN, NEUTRAL | {"std": [0.5]}, r"std is \(0.5,\), not .*: the framing is unknown"),
    ],
)
def test_fields_that_do_not_go_together_are_refused_by_name(spec, framing, fields, problem):
    given = {"framing": framing, "polarity": POLARITIES[framing]} | fields
    with pytest.raises(ArtifactError, match=problem):
        ModelSpec.from_json(json.dumps(json.loads(spec.to_json()) | given))


@pytest.mark.parametrize("framing", ["stretch", "letterbox"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width", "padding"), [(1, 1, 0), (224, 224, 0), (31, 500, 4), (5, 7, 2)])
def test_other_framings_take_any_size_and_colour(spec_for, framing, channels, height, width, padding):
    spec = spec_for(framing, channels, height, width, padding)
    assert spec.input_shape == (channels, height, width)
    assert spec.frame_size == (height - 2 * padding, width - 2 * padding)


@pytest.mark.parametrize("name", ["scale", "mean", "std"])
def test_a_number_too_large_for_a_float_is_refused(spec, name):
    huge = 10**400
    fields = json.loads(spec.to_json()) | {name: huge if name == "scale" else [huge]}
    with pytest.raises(ArtifactError, match=name):
        ModelSpec.from_json(json.dumps(fields))
