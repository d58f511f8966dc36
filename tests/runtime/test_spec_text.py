"""A spec that cannot be read is refused with the reason: another version, missing fields, doubled names, no JSON."""

import dataclasses
import json

import pytest

from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.spec import FORMAT_VERSION

SWITCHES = ("raw_input", "probabilities")
OPTIONAL = ("selftest", "layout", "network_output", "resize", "origin", "precision", "calibration", *SWITCHES)
OPTIONAL += ("largest_batch",)


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.0])
def test_another_format_version_is_refused_with_both_versions(spec, version):
    fields = json.loads(spec.to_json()) | {"format_version": version}
    with pytest.raises(ArtifactError, match=rf"version {version!r}.*version {FORMAT_VERSION}"):
        ModelSpec.from_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param("{", "not JSON", id="cut off"),
        pytest.param("1" * 10_000, "not JSON", id="endless number"),
        pytest.param("[" * 100_000, "not JSON", id="endless nesting"),
        pytest.param("\ufeff{}", "not JSON", id="byte order mark"),
        pytest.param("[]", "not a JSON object", id="list"),
        pytest.param("null", "not a JSON object", id="null"),
        pytest.param('"lenetx"', "not a JSON object", id="string"),
        pytest.param("{}", "format version None", id="empty object"),
    ],
)
def test_text_that_is_no_spec_is_refused_with_the_reason(text, reason):
    with pytest.raises(ArtifactError, match=reason):
        ModelSpec.from_json(text)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ModelSpec) if field.name not in OPTIONAL])
def test_a_missing_field_is_named(spec, name):
    fields = json.loads(spec.to_json())
    del fields[name]
    with pytest.raises(ArtifactError, match="format version None" if name == "format_version" else name):
        ModelSpec.from_json(json.dumps(fields))


def test_an_unknown_field_is_named(spec):
    with pytest.raises(ArtifactError, match="rotation"):
        ModelSpec.from_json(json.dumps(json.loads(spec.to_json()) | {"rotation": 90}))


def test_a_spec_cannot_be_changed_and_knows_its_input_shape(spec):
    assert spec.input_shape == (1, 32, 32)
    assert spec.frame_size == (28, 28)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.padding = 0


def test_a_spec_made_in_code_is_held_to_the_same_rules(spec_fields):
    with pytest.raises(ArtifactError, match="mean"):
        ModelSpec(**spec_fields | {"mean": [0.5]})


@pytest.mark.parametrize(
    ("name", "again"),
    [("labels", '["a","b"]'), ("content_sha256", "null"), ("l\\u0061bels", "[]"), ("selftest", "0"), ("unknown", "1")],
)
def test_a_name_that_is_there_twice_is_refused(spec, name, again):
    text = f'{{"{name}":{again},"{name}":{again},{spec.to_json()[1:]}'
    with pytest.raises(ArtifactError, match=r"it has the name '.*' twice"):
        ModelSpec.from_json(text)


def test_a_text_nested_too_deep_is_refused(spec):
    with pytest.raises(ArtifactError, match="nested too deep"):
        ModelSpec.from_json(spec.to_json().replace('"tiny"', "[" * 10**6))


def test_a_text_that_would_take_long_to_read_is_refused(spec):
    with pytest.raises(ArtifactError, match="more than 128 MiB or 1,048,576 values"):
        ModelSpec.from_json(spec.to_json().replace('"tiny"', f"[{'[],' * 2**20}0]"))


def test_a_large_wrong_value_is_not_shown_whole(spec):
    text = spec.to_json().replace('"tiny"', f"[{'7,' * 10**5}7]")
    with pytest.raises(ArtifactError, match=r"architecture is .*…, not a text") as caught:
        ModelSpec.from_json(text)
    assert len(str(caught.value)) < 400
