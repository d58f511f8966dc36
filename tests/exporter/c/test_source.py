"""The C file as other programs see it: clean under strict compilers, re-entrant, the same bytes, and safe to read."""

import copy
import ctypes
import dataclasses
import re
import subprocess
import threading

import numpy as np
import pytest
import torch

from lenetx.data import load
from lenetx.errors import ArtifactError, DeviceUnavailable, EngineMissing, InputError
from lenetx.formats import c, open_artifact
from lenetx.formats.c import compile as compiling
from lenetx.formats.c.compile import compilers
from lenetx.formats.c.reading import read
from lenetx.formats.c.source import header, sealed, written
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import Classifier
from lenetx_runtime.preprocess import normalise

from .conftest import STRICT, called


@pytest.fixture(scope="module")
def source(checkpoint):
    return read(c.export(Network(checkpoint), stem="lenet5").decode())


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_compiles_without_a_warning_as_c_and_as_cpp(source, tmp_path, compiler):
    if compiler not in compilers():
        pytest.skip(f"{compiler} is not installed")
    (tmp_path / "lenet5.c").write_text(source.text)
    (tmp_path / "lenet5.h").write_text(header(source))
    languages = (["-std=c99"], ["-std=c11", "-Dlenet5_SCALAR"], ["-x", "c++", "-std=c++17"])
    for language in (*languages, ["-std=c99", "-march=native", "-O2"]):
        command = [compiler, *language, *STRICT, "-c", "lenet5.c", "-o", "net.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_symbol_has_the_prefix_and_nothing_is_needed(source, tmp_path):
    (tmp_path / "lenet5.c").write_text(source.text)
    (tmp_path / "lenet5.h").write_text(header(source))
    subprocess.run([compilers()[0], "-O0", "-fno-builtin", "-c", "lenet5.c"], cwd=tmp_path, check=True)
    lines = subprocess.run(["nm", "lenet5.o"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    symbols = {line.split()[-1]: line.split()[-2] for line in lines if line and "." not in line}
    assert not [name for name in symbols if not name.startswith("lenet5_") and name != "_GLOBAL_OFFSET_TABLE_"]
    assert {"C", "B", "b", "d"}.isdisjoint(symbols.values())
    assert not re.search(r"\bmalloc\b|#include <(?!std(int|def)\.h>)", source.text)


@pytest.mark.parametrize(
    "field", ["producer", *(pytest.param(name, marks=pytest.mark.slow) for name in ("architecture", "labels", "nodes"))]
)
def test_no_text_in_a_file_is_compiled(source, tmp_path, field):
    """Whoever writes the spec and the graph of a file could end a comment or a string, and add code of their own."""
    marker = tmp_path / "it ran"
    body = f"{{ system(\"touch '{marker}'\"); }}"
    code = f"int system(const char *); __attribute__((constructor)) static void p(void) {body}"
    for words in (f"*/ {code} /*", f'"; {code} //', f"x\n*/ {code} /*", f"*?\u003f/\n/ {code} /*"):
        model, spec = copy.deepcopy(source.model), source.spec
        if field == "nodes":
            for node in model.graph.node:
                node.input[:] = [words if name == "relu" else name for name in node.input]
                node.output[:] = [words if name == "relu" else name for name in node.output]
        else:
            value = (words, *spec.labels[1:]) if field == "labels" else words
            spec = dataclasses.replace(spec, **{field: value})
        (tmp_path / "lenet5.c").write_text(written(model, spec, "lenet5").text)
        assert open_artifact(tmp_path / "lenet5.c").backend.run(np.zeros((1, 1, 32, 32), np.float32)).shape == (1, 10)
        assert not marker.exists()


def test_two_threads_share_nothing(source, built):
    library = built(source, "-O1")
    inputs = np.random.default_rng(0).standard_normal((2, 32 * 32), np.float32)
    alone = [logits(library, source, each) for each in inputs]
    found = {}

    def run(place):
        found[place] = [logits(library, source, inputs[place]) for _ in range(300)]

    threads = [threading.Thread(target=run, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each, alone[place]) for place in (0, 1) for each in found[place])


def logits(library, source, given):
    out = np.empty(10, np.float32)
    assert called(library.lenet5_logits, given, out, np.empty(source.program.floats, np.float32)) == 0
    return out


def test_frames_get_their_label_and_the_self_test_finds_a_changed_weight(source, built, checkpoint):
    frames = load("digits").test.framed(checkpoint.spec).images[:50]
    with torch.inference_mode():
        eager = checkpoint.module()(torch.from_numpy(normalise(frames, checkpoint.spec))).numpy()
    library, scratch = built(source, "-O2"), np.empty(source.program.floats, np.float32)
    found = np.empty((50, 10), np.float32)
    labels = [called(library.lenet5_predict_frame, frames[n].copy(), found[n], scratch) for n in range(50)]
    assert labels == eager.argmax(1).tolist()
    np.testing.assert_allclose(found, eager, atol=1e-4)
    assert called(library.lenet5_predict_frame, frames[0].copy(), None, scratch) == labels[0]
    assert called(library.lenet5_selftest, scratch) == 0
    picture = np.full((90, 120), 255, np.uint8)
    picture[20:76, 30:86] = 255 - frames[3].repeat(2, 0).repeat(2, 1)
    logits = np.empty(10, np.float32)
    label = called(library.lenet5_predict_image, picture, 120, 90, 120, logits, scratch)
    seen = Classifier.from_backend(source.spec, c.session.CompiledBackend(source, compilers()[0], ("-O2",)))
    assert (checkpoint.spec.labels[label], label) == (seen.predict(picture).label, logits.argmax())
    words = (ctypes.c_char_p * 10).in_dll(library, "lenet5_labels")
    assert [each.decode() for each in words] == [*checkpoint.spec.labels]
    head, array, rest = source.text.partition("static const float lenet5_fc3_weight[840] = {\n")
    wrong = head + array + rest.replace(rest.split(",")[0].strip(), "0x1p+1f", 1)
    broken = built(dataclasses.replace(source, text=wrong), "-O2")
    assert called(broken.lenet5_selftest, scratch) == -5


def test_bad_calls_return_documented_errors(source, built):
    library, scratch = built(source, "-O1"), np.empty(source.program.floats, np.float32)
    given, out, frame = np.zeros(1024, np.float32), np.empty(10, np.float32), np.zeros(784, np.uint8)
    calls = [(given, out, None), (given, None, scratch), (None, out, scratch)]
    assert [called(library.lenet5_logits, *arguments) for arguments in calls] == [-1, -1, -1]
    assert called(library.lenet5_predict_frame, None, out, scratch) == -1
    assert called(library.lenet5_predict_frame, frame, out, None) == -1
    assert called(library.lenet5_selftest, None) == -1
    picture = np.full((9, 9), 200, np.uint8)
    for wrong, *sizes in ((-2, 0, 9, 9), (-2, 9, 0, 9), (-3, 9, 9, 8), (-4, 9, 9, 9), (-2, -1, 9, 9)):
        assert called(library.lenet5_predict_image, picture, *sizes, out, scratch) == wrong
        assert called(library.lenet5_frame_image, picture, *sizes, frame) == wrong
    for arguments in ((None, 9, 9, 9, out, scratch), (picture, 9, 9, 9, out, None)):
        assert called(library.lenet5_predict_image, *arguments) == -1
    for wrong in (np.nan, np.inf, -np.inf):
        given[1023] = wrong
        assert called(library.lenet5_logits, given, out, scratch) == -6
    for name, value in (("NULL", -1), ("NOT_FINITE", -6), ("SELFTEST", -5)):
        assert f"LENET5_ERROR_{name} = {value}" in header(source)


def test_nothing_outside_the_scratch_is_written(source, built):
    library, floats = built(source, "-O3", "-march=native"), source.program.floats
    scratch, out = np.full(floats + 64, np.float32(7)), np.full(10 + 64, np.float32(7))
    called(library.lenet5_logits, np.ones(1024, np.float32), out, scratch)
    called(library.lenet5_predict_frame, np.ones(784, np.uint8), out, scratch)
    assert (scratch[floats:] == 7).all()
    assert (out[10:] == 7).all()


def test_it_is_proven_and_every_weight_is_compared(source, reference, tmp_path, checkpoint):
    path = tmp_path / "lenet5.c"
    path.write_text(source.text)
    artifact = c.open(path)
    report = prove(artifact, reference)
    assert report.passed
    passed = {check.name for check in report.checks if check.status == "passed"}
    assert {"weights", "graph", "real inputs", "header"} <= passed
    runs = [check for check in report.checks if check.group == "engines"]
    assert len(runs) == 3 * len(compilers()) + 1
    assert all("14 checks" in check.subject for check in runs)
    assert artifact.matches_new_export(reference.network)
    for name, array in artifact.weights.items():
        assert np.array_equal(array.view(np.uint32), checkpoint.state_dict[name].numpy().view(np.uint32))
    (tmp_path / "lenet5.h").write_text(header(source).replace('"3"', '"8"'))
    assert [check.status for check in c.open(path).structure if check.name == "header"] == ["failed"]


@pytest.mark.slow
def test_weights_of_another_checkpoint_fail_the_proof(other_checkpoint, reference, tmp_path):
    path = tmp_path / "net.c"
    path.write_bytes(c.export(Network(other_checkpoint)))
    assert {"weights", "real inputs"} <= {check.name for check in prove(c.open(path), reference).failures}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("a0 += k * from[0];", "a0 += k * from[1];", "line [0-9]+ differs"),
        ('#include "lenet5.h"', '#include "lenet5.h"\n#include "/etc/passwd"', "line [0-9]+ differs"),
        ('#include "lenet5.h"', '#include "../lenet5.h"', "includes no header"),
        ("/* lenetx graph", "/* graph", "has no comment 'lenetx graph'"),
        ("/* lenetx spec", "/* spec", "has no comment 'lenetx spec'"),
        ('"opset":18', '"opset":"x"', "is damaged"),
        ('"Conv"', '"Selu"', "has more than one|is an operator|is damaged|cannot be written|is not a valid one"),
        (
            '"float32",[6,1,5,5]',
            '"float32",[6,1,5,50000000]',
            "another size|cannot be written|more numbers than the file can hold",
        ),
        ('"float32",[10]', '"float32",[11]', "lacks the array|cannot be written|another size"),
        (
            "static const float lenet5_fc3_bias[10]",
            "static const float lenet5_fc3_bias[9]",
            "holds 10 numbers instead of 9",
        ),
        ("f,\n};", "f, 1e5000,\n};", "holds something other|instead of"),
    ],
)
def test_a_changed_file_is_refused_before_a_compiler_sees_it(source, tmp_path, monkeypatch, old, new, why):
    assert old in source.text
    monkeypatch.setattr(compiling.subprocess, "run", lambda *_, **__: pytest.fail("a compiler was started"))
    path = tmp_path / "lenet5.c"
    changed = source.text.rpartition("/* SHA-256")[0].replace(old, new)
    path.write_text(sealed(changed))
    with pytest.raises(ArtifactError, match=why):
        open_artifact(path)
    path.write_text(source.text.replace(old, new))
    with pytest.raises(ArtifactError, match="its digest does not match"):
        open_artifact(path)


@pytest.mark.parametrize("data", [b"", b"int main(void) { return 0; }\n", b"\xff\x00", b"/* lenetx spec\n{}\n*/\n"])
def test_files_of_others_are_refused(tmp_path, data):
    path = tmp_path / "lenet5.c"
    path.write_bytes(data)
    with pytest.raises(ArtifactError):
        open_artifact(path)


def test_without_a_compiler_there_is_one_sentence(source, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda _: None)
    path = tmp_path / "lenet5.c"
    path.write_text(source.text)
    with pytest.raises(EngineMissing, match=r"There is no C compiler here: install gcc or clang\."):
        c.open(path)


def test_only_the_cpu_and_no_fixed_batch_are_offered(source, tmp_path, reference):
    path = tmp_path / "lenet5.c"
    path.write_text(source.text)
    with pytest.raises(DeviceUnavailable, match=r"cuda was requested; C files run on the CPU\."):
        open_artifact(path, device="cuda")
    with pytest.raises(InputError, match="computes one image per call"):
        c.export(reference.network, batch=3)


@pytest.mark.parametrize("stem", ["", "a b", "ü", 'a"b', "a/b", "-O2"])
def test_a_name_that_no_include_can_hold_is_refused(reference, stem):
    with pytest.raises(InputError, match="is not a name for a C file"):
        written(reference, reference, stem)


def test_names_and_labels_cannot_leave_their_comment_or_string(checkpoint, built):
    labels = ('a"b\\', "*/ int x;", "??/", "//", "%s\n", "ü", "/*", "6", "7", "'")
    spec = dataclasses.replace(checkpoint.spec, labels=labels)
    hostile = dataclasses.replace(checkpoint, spec=spec)
    text = c.export(Network(hostile), stem="int").decode()
    found = read(text)
    assert found.spec.labels == labels
    library = built(found, "-O0")
    words = (ctypes.c_char_p * 10).in_dll(library, "net_int_labels")
    assert [each.decode() for each in words] == [*labels]


def test_zeros_of_both_signs_and_the_smallest_and_largest_numbers_keep_their_bits(checkpoint):
    weights = {name: tensor.clone() for name, tensor in checkpoint.state_dict.items()}
    numbers = torch.tensor([-0.0, 0.0, 1e-45, -1.1754942e-38, 1.1754944e-38, 3e38, -1.5, 0.1, 1 / 3, 16777215.0])
    weights["fc3.bias"] = numbers
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    hostile = dataclasses.replace(checkpoint, state_dict=weights, spec=spec)
    found = read(c.export(Network(hostile)).decode())
    held = {tensor.name: np.frombuffer(tensor.raw_data, np.uint32) for tensor in found.model.graph.initializer}
    assert held["fc3.bias"].tolist() == numbers.numpy().view(np.uint32).tolist()


def test_pictures_of_any_size_are_an_option(checkpoint):
    text = c.export(Network(checkpoint), with_framing=False).decode()
    assert "frame_image" not in text
    assert "predict_image" not in header(read(text))
