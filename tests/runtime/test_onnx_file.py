"""A sealed model with anything changed is refused, and the engine never sees it."""

import hashlib
import json
import random
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper

from lenetx_runtime import ArtifactError, Classifier
from lenetx_runtime.onnx_file import read_spec, seal
from lenetx_runtime.spec import METADATA_KEY

from .wire import message, varint

QUICK = settings(deadline=None, derandomize=True, max_examples=300)


@pytest.fixture
def refused(monkeypatch):
    """Tell whether Classifier refuses a file's bytes; the test fails if an engine gets to open them."""

    def engine(*_args, **_options):
        raise AssertionError("an engine was asked to open the file")

    monkeypatch.setattr("lenetx_runtime.ort.OrtBackend", engine)

    def ask(data):
        try:
            Classifier(data)
        except ArtifactError as error:
            return str(error).startswith("The model cannot be used. ")
        return False

    return ask


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def metadata_region(data):
    """Return the (start, end) of the bytes that hold the spec's metadata entry, its protobuf tags included."""
    key = data.index(b"\x0a" + bytes([len(METADATA_KEY)]) + METADATA_KEY.encode())
    start, end = key - 3, data.index(b"}", key) + 1
    assert data[start] == 14 << 3 | 2  # ModelProto.metadata_props, then two bytes of length
    return start, end


def test_the_sealed_spec_is_the_spec_that_was_put_in(sealed, spec):
    read = read_spec(sealed)
    unsealed = json.loads(read.to_json()) | {"content_sha256": "0" * 64}
    assert unsealed == json.loads(spec.to_json())


def test_the_digest_is_that_of_the_file_with_its_digits_zeroed(sealed, build_model):
    unsealed = build_model(sealed=False)
    assert read_spec(sealed).content_sha256 == hashlib.sha256(unsealed).hexdigest()
    assert len(sealed) == len(unsealed)


def test_every_single_bit_of_the_spec_is_guarded(sealed, refused):
    start, end = metadata_region(sealed)
    opened = [bit for bit in range(8 * start, 8 * end) if not refused(flipped(sealed, bit))]
    assert opened == []


def test_bits_all_over_the_file_are_guarded(sealed, refused):
    bits = random.Random(28).sample(range(8 * len(sealed)), 500)
    assert [bit for bit in bits if not refused(flipped(sealed, bit))] == []


def test_a_file_cut_anywhere_is_refused(sealed, refused):
    lengths = [*range(0, len(sealed), 97), len(sealed) - 1]
    assert [length for length in lengths if not refused(sealed[:length])] == []


@QUICK
@given(st.data())
def test_any_edit_of_the_bytes_is_refused(sealed, data):
    start = data.draw(st.integers(0, len(sealed)))
    end = data.draw(st.integers(start, min(len(sealed), start + 200)))
    changed = sealed[:start] + data.draw(st.binary(max_size=200)) + sealed[end:]
    assume(changed != sealed)
    with pytest.raises(ArtifactError):
        read_spec(changed)


@QUICK
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_with_one_kind_of_error(data):
    with pytest.raises(ArtifactError):
        read_spec(data)


def test_bytes_added_at_the_end_are_refused(sealed, refused):
    assert refused(sealed + b"\0")
    assert refused(sealed + sealed)


def test_a_digest_of_zeros_does_not_pass_for_a_seal(build_model, refused):
    assert refused(build_model(sealed=False))


def test_a_spec_without_a_digest_is_refused(build_model, refused):
    assert refused(build_model(sealed=False, content_sha256=None))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        pytest.param(lambda model: model.ClearField("metadata_props"), "not made by lenetx", id="no spec"),
        pytest.param(lambda model: model.ClearField("graph"), "not an ONNX model", id="no graph"),
        pytest.param(lambda model: setattr(model.metadata_props[0], "key", "LENETX"), "not made by lenetx", id="key"),
        pytest.param(lambda model: setattr(model.metadata_props[0], "value", "{"), "not JSON", id="broken spec"),
        pytest.param(lambda model: model.metadata_props[0].ClearField("value"), "not JSON", id="no text"),
    ],
)
def test_a_model_of_others_is_refused_with_the_reason(build_model, edit, reason):
    with pytest.raises(ArtifactError, match=reason):
        read_spec(build_model(edit, sealed=False))


def test_two_specs_are_refused_even_when_sealed(build_model):
    def add_another(model):
        entry = model.metadata_props.add()
        entry.key = METADATA_KEY
        entry.value = model.metadata_props[0].value.replace("0" * 64, "a" * 64)

    with pytest.raises(ArtifactError, match="more than one"):
        read_spec(build_model(add_another))


def test_a_number_in_the_place_of_the_spec_takes_no_memory():
    """It once became that many bytes."""
    entry = message(1, METADATA_KEY.encode()) + varint(2 << 3) + varint(2**40)
    with pytest.raises(ArtifactError, match="not JSON"):
        read_spec(message(7, b"") + message(14, entry))


def test_an_entry_of_a_hundred_thousand_keys_and_values_is_no_ten_thousand_million_entries():
    entry = message(1, METADATA_KEY.encode()) * 10**5 + message(2, b"") * 10**5
    start = time.process_time()
    with pytest.raises(ArtifactError, match="more than one lenetx spec"):
        read_spec(message(7, b"") + message(14, entry))
    assert time.process_time() - start < 20


MILLION = b"\x18\0" * 10**6


@pytest.mark.parametrize(
    "fields",
    [
        MILLION,
        message(7, message(1, MILLION)),
        message(7, message(5, MILLION)),
        message(7, message(1, message(5, message(1, b"pads") + message(8, bytes(2**25))))),
    ],
)
def test_millions_of_fields_and_of_packed_numbers_are_not_walked(build_model, fields):
    data = build_model(sealed=False) + fields
    start = time.process_time()
    with pytest.raises(ArtifactError, match="more than 262,144 fields"):
        read_spec(seal(data))
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x3a" + b"\x80" * 10 + b"\x00", "damaged"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut off"),
        (b"\x80" * 11, "damaged"),
        (b"\x3b", "damaged"),
        (b"\x3a\x05\x00", "cut off"),
        (b"\x80", "cut off"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data, reason):
    with pytest.raises(ArtifactError, match=reason):
        read_spec(data)


@pytest.mark.parametrize("name", ["kernel_shape", "pads", "dilations", "strides"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("value", [2**20, 2**62, -(2**62)])
def test_a_window_far_larger_than_the_picture_is_refused(build_model, refused, name, packed, value):
    """Padding of 2**24 took 8 GiB, and some kernels make onnxruntime abort."""
    number = varint(value % 2**64)
    ints = message(8, number) if packed else varint(8 << 3) + number
    node = message(4, b"Conv") + message(5, message(1, name.encode()) + ints)
    assert refused(seal(build_model(sealed=False) + message(7, message(1, node))))


EQUATIONS = {"ij,jk": False, "...ij , ...jk->...ik": False, "a...": False}
EQUATIONS |= {".ij": True, "..": True, "....a": True, "......": True, "...a...": True, "a->....": True}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_an_equation_that_is_never_read_to_its_end_is_refused(build_model, spec, equation):
    def add(model):
        model.graph.node.append(helper.make_node("Einsum", ["image"], ["product"], equation=equation))

    if EQUATIONS[equation]:
        with pytest.raises(ArtifactError, match="other dots"):
            read_spec(build_model(add))
    else:
        assert read_spec(build_model(add)).labels == spec.labels


def test_a_window_that_fits_the_picture_is_fine(build_model, spec):
    def widen(model):
        next(one for one in model.graph.node if one.op_type == "Conv").attribute.append(
            helper.make_attribute("pads", [96] * 4)
        )

    assert read_spec(build_model(widen)).labels == spec.labels


@pytest.mark.parametrize("place", [b"image", b"logits", b"batch"])
def test_names_that_are_no_text_are_refused(build_model, refused, place):
    """onnxruntime keeps them, and cannot hand them over."""
    data = build_model(sealed=False)
    start, _ = metadata_region(data)
    assert place in data[:start]
    assert refused(seal(data[:start].replace(place, b"\xf4" + place[1:]) + data[start:]))


def test_a_file_that_onnxruntime_would_read_in_another_format_is_refused(build_model, refused):
    """Its own format is told by four bytes, which may stand in the middle of a name."""

    def rename(model):
        model.ClearField("ir_version")
        model.producer_name = "..ORTM"

    data = build_model(rename)
    assert data[4:8] == b"ORTM"
    assert refused(data)


def test_metadata_of_others_may_stand_beside_the_spec(build_model, spec):
    def add_a_note(model):
        entry = model.metadata_props.add()
        entry.key, entry.value = "author", "someone"

    assert read_spec(build_model(add_a_note)).labels == spec.labels


@pytest.mark.parametrize("copies", [0, 2])
def test_only_a_file_with_one_empty_digest_can_be_sealed(build_model, copies):
    with pytest.raises(ValueError, match="exactly one empty content_sha256"):
        seal(build_model(sealed=False) * copies)


def test_a_sealed_file_is_not_sealed_again(sealed):
    with pytest.raises(ValueError, match="exactly one empty content_sha256"):
        seal(sealed)


@pytest.mark.parametrize("operator", ["Max", "Min", "Sum", "Mean", "Concat", "Einsum"])
@pytest.mark.parametrize("inputs", [["maps", "", "maps"], [""]])
def test_an_operator_of_any_number_of_inputs_that_lacks_one_is_refused(build_model, refused, operator, inputs):
    """Reading it, onnxruntime ends the process."""
    assert refused(build_model(lambda model: model.graph.node.append(helper.make_node(operator, inputs, ["dead"]))))
