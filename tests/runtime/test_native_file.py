"""What is found out about a native library before it is loaded: permission, damage, records and processors."""

import numpy as np
import pytest

from lenetx_runtime import ArtifactError, Classifier, DeviceUnavailable, InputError, native
from lenetx_runtime.__main__ import main
from lenetx_runtime.native_file import is_native, read_record, sealed

from .native_networks import NETWORK, record


def test_it_is_never_loaded_unasked(planted, tmp_path, capsys):
    data, marker = planted
    path = tmp_path / "planted.so"
    path.write_bytes(data)
    words = "is machine code, which runs as soon as it is loaded: pass allow_native=True in Python, or --allow-native"
    with pytest.raises(InputError, match=f"'{path}' {words}"):
        Classifier(path)
    with pytest.raises(InputError, match=f"The model {words}"):
        Classifier(data, allow_native=False)
    assert main(["inspect", str(path)]) == 0
    assert main(["predict", str(path), "seven.png"]) == 2
    assert words in capsys.readouterr().err
    assert not marker.exists()
    Classifier(path, allow_native=True).close()
    assert marker.exists()


@pytest.mark.parametrize("wrong", ["no", 1, None])
def test_the_permission_is_a_bool(library, wrong):
    with pytest.raises(InputError, match=f"allow_native is of bool, not {type(wrong).__name__}"):
        Classifier(library, allow_native=wrong)


def test_damage_is_noticed_before_it_is_loaded(planted):
    data, marker = planted
    random = np.random.default_rng(7)
    places = [*random.integers(4, len(data), 150), *random.integers(len(data) - 700, len(data), 150)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << int(random.integers(8))
        with pytest.raises(ArtifactError):
            Classifier(bytes(changed), allow_native=True)
    for size in (0, 4, 20, 32, 40, len(data) // 2, len(data) - 1):
        with pytest.raises(ArtifactError):
            Classifier(data[:size], allow_native=True)
    with pytest.raises(ArtifactError):
        Classifier(data + b"\0", allow_native=True)
    assert not marker.exists()


def test_a_library_of_another_program_is_told_apart(machine_code, planting, tmp_path):
    marker, text = planting
    path = tmp_path / "theirs.so"
    path.write_bytes(machine_code(text + NETWORK.replace("FACTOR", "1")))
    assert is_native(path.read_bytes())
    with pytest.raises(ArtifactError, match="a shared library without a lenetx spec: it was not made by lenetx"):
        Classifier(path, allow_native=True)
    assert not marker.exists()


STRANGE = {
    "no JSON": ("{", "record is damaged"),
    "not an object": ("[]", "record is damaged"),
    "not ASCII": ("\x7f", "record is damaged"),
    "doubled names": ('{"scratch":5000,"scratch":1,"machine":"x86_64","march":"x86-64"}', "record is damaged"),
    "no scratch": (record(scratch=0), "record is damaged"),
    "much scratch": (record(scratch=2**80), "record is damaged"),
    "another machine": (record(machine="pdp11"), "a processor that this version of lenetx does not know"),
    "another level": (record(march="native"), "a processor that this version of lenetx does not know"),
    "a list of machines": (record(machine=["x86_64"]), "a processor that this version of lenetx does not know"),
    "a level of another kind": (record(march={}), "a processor that this version of lenetx does not know"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_record_that_lenetx_never_writes(code, spec, kind):
    text, words = STRANGE[kind]
    with pytest.raises(ArtifactError, match=words):
        Classifier(sealed(code, spec.to_json(), text), allow_native=True)


@pytest.mark.parametrize("fields", [{"batch": 4}, {"layout": "nhwc"}, {"precision": "float16"}, {"raw_input": True}])
def test_a_contract_that_no_library_has(code, spec_fields, fields):
    from lenetx_runtime import ModelSpec

    spec = ModelSpec(**spec_fields | fields)
    with pytest.raises(ArtifactError, match="not one of a native library"):
        Classifier(sealed(code, spec.to_json(), record()), allow_native=True)


def test_a_record_longer_than_the_file(library):
    with pytest.raises(ArtifactError, match="record is damaged"):
        read_record(library[:-32] + (2**60).to_bytes(8, "little") + library[-24:])


def test_what_the_system_cannot_load_is_a_sentence(code, machine_code, spec):
    with pytest.raises(ArtifactError, match="The system cannot load the library: "):
        Classifier(sealed(code[:100], spec.to_json(), record()), allow_native=True)
    with pytest.raises(ArtifactError, match="without the function lenetx_run"):
        Classifier(sealed(machine_code("int other;"), spec.to_json(), record()), allow_native=True)


def test_a_processor_without_its_instructions_never_loads_it(planting, machine_code, spec, monkeypatch):
    """A missing instruction would end the process."""
    marker, text = planting
    data = machine_code(text + NETWORK.replace("FACTOR", "1"))
    needy = sealed(data, spec.to_json(), record(machine="x86_64", march="x86-64-v3"))
    monkeypatch.setattr(native, "machine", lambda: "x86_64")
    monkeypatch.setattr(native, "_cpu_flags", lambda: frozenset(native._FLAGS[1].split()))
    words = "compiled for x86-64-v3 and would end the process: this processor is x86-64-v2. .* '--march x86-64-v2'"
    with pytest.raises(DeviceUnavailable, match=words):
        Classifier(needy, allow_native=True)
    for other in ("aarch64", "darwin"):
        monkeypatch.setattr(native, "machine", lambda other=other: other)
        with pytest.raises(DeviceUnavailable, match=f"compiled for Linux on x86_64; this is {other}"):
            Classifier(needy, allow_native=True)
    assert not marker.exists()


def test_levels_follow_from_flags(monkeypatch):
    all_flags = " ".join(native._FLAGS).split()
    monkeypatch.setattr(native, "machine", lambda: "x86_64")
    for flags, expected in (
        ([], "x86-64"),
        (all_flags, "x86-64-v4"),
        ([each for each in all_flags if each != "avx512vl"], "x86-64-v3"),
        ([each for each in all_flags if each != "fma"], "x86-64-v2"),
        ([each for each in all_flags if each != "cx16"], "x86-64"),
    ):
        monkeypatch.setattr(native, "_cpu_flags", lambda flags=flags: frozenset(flags))
        assert native.cpu_levels()[-1] == expected
    monkeypatch.setattr(native, "machine", lambda: "aarch64")
    assert native.cpu_levels() == ("armv8-a",)
    monkeypatch.setattr(native, "machine", lambda: "win32")
    assert native.cpu_levels() == ()
