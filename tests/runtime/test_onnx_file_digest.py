"""The digest of a sealed model counts only its own place, and no second spec takes that place."""

import hashlib

import pytest

from lenetx_runtime import ArtifactError
from lenetx_runtime.onnx_file import read_spec, seal
from lenetx_runtime.spec import METADATA_KEY

from .wire import message

FIELD = b'"content_sha256":"'


def test_digits_like_the_digest_in_the_weights_count_as_they_are(build_model):
    """Two models with different weights once had one digest."""
    text = FIELD + b"0" * 64 + b'""'

    def write(model):
        weights = model.graph.initializer[1]
        weights.raw_data = text + weights.raw_data[len(text) :]

    empty = build_model(write, sealed=False)
    first = seal(empty)
    digest = read_spec(first).content_sha256
    assert digest == hashlib.sha256(empty).hexdigest()
    with pytest.raises(ArtifactError, match="its digest does not match"):
        read_spec(first.replace(text, FIELD + digest.encode() + b'""'))


def test_a_copy_of_the_spec_elsewhere_does_not_take_its_place(build_model, spec):
    text = spec.to_json().encode()
    sealed = seal(message(2, text) + build_model(sealed=False))
    digest = read_spec(sealed).content_sha256.encode()
    assert sealed.count(digest) == 1
    assert sealed.index(digest) > len(text)


@pytest.mark.parametrize(
    "entry",
    [
        lambda key, text: message(1, key) + message(1, key) + message(2, text),
        lambda key, text: message(1, b"author") + message(1, key) + message(2, text),
        lambda key, text: message(1, key) + message(2, b"{}") + message(2, text),
        lambda key, text: message(1, key) + message(1, b"author") + message(2, text) + message(2, text),
    ],
)
def test_an_entry_of_several_keys_or_values_is_refused(build_model, spec, entry):
    data = build_model(lambda model: model.ClearField("metadata_props"), sealed=False)
    written = message(14, entry(METADATA_KEY.encode(), spec.to_json().encode()))
    with pytest.raises(ArtifactError, match=r"more than one lenetx spec|is damaged|not JSON|unknown fields"):
        read_spec(data + written)
