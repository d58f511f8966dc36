"""Compilers and folders of this machine that fail: no fault of the file, whose certificate stays."""

import ctypes
import os
import shutil
import subprocess

import numpy as np
import pytest

import lenetx
from lenetx.errors import EngineMissing
from lenetx.formats import c
from lenetx.formats.c import compile as compiling
from lenetx.formats.c.compile import compilers
from lenetx.formats.c.reading import read
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.publishing.verify_files import verify_files
from lenetx.weights.options import WeightsOptions


@pytest.fixture(scope="module")
def source(checkpoint):
    return read(c.export(Network(checkpoint), stem="lenet5").decode())


@pytest.fixture
def shimmed(tmp_path, monkeypatch):
    """A function that puts a gcc first which fails with a message if it is given an option that matches a pattern."""
    real = shutil.which("gcc") or pytest.skip("there is no gcc")
    monkeypatch.setattr(compiling, "COMPILERS", ("gcc",))

    def shim(pattern, told):
        (tmp_path / "bin").mkdir()
        text = f"""#!/bin/sh\nfor each in "$@"; do case $each in {pattern}) echo "{told}" >&2; exit 1;; esac; done\n"""
        (tmp_path / "bin" / "gcc").write_text(f'{text}exec {real} "$@"\n')
        (tmp_path / "bin" / "gcc").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    return shim


def refuse(*_, **__):
    """Load or start nothing: the folder for temporary files is mounted noexec."""
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("trouble", ["full", "noexec", "cannot compile"])
def test_trouble_of_the_machine_takes_no_certificate_away(source, checkpoint, tmp_path, shimmed, monkeypatch, trouble):
    path = tmp_path / "lenet5.c"
    path.write_text(source.text)
    path.with_name("lenet5.c.verified.json").write_text("of an earlier proof")
    lenetx.save(checkpoint, tmp_path / "lenet5.pt")
    if trouble == "noexec":
        monkeypatch.setattr(ctypes, "CDLL", refuse)
    else:
        shimmed("-shared", "No space left on device" if trouble == "full" else "out of order")
    words = (
        "out of order"
        if trouble == "cannot compile"
        else "cannot be used: .* is full or does not run programs, set TMPDIR to another"
    )
    options = {"weights": WeightsOptions(), "data": {}, "device": "cpu"}
    with pytest.raises(EngineMissing, match=words):
        verify_files([path], None, **options, on_progress=str, on_notice=str)
    assert path.with_name("lenet5.c.verified.json").read_text() == "of an earlier proof"


def test_a_compiler_without_sanitizers_leaves_their_run_out(source, reference, tmp_path, shimmed):
    shimmed("-fsanitize*", "cannot find libasan")
    path = tmp_path / "lenet5.c"
    path.write_text(source.text)
    report = prove(c.open(path), reference)
    (check,) = [each for each in report.checks if "sanitizers" in each.name]
    assert (report.passed, check.status) == (True, "not_run")
    assert "cannot find libasan" in check.detail


def test_the_integers_of_int8_are_compared_without_them_too(built_in, tmp_path, shimmed):
    shimmed("-fsanitize*", "cannot find libasan")
    path = tmp_path / "lenet5.int8.c"
    path.write_bytes(built_in["lenet5"])
    opened = c.open(path)
    assert [run.name for run in opened.runs if run.missing] == ["gcc, address and undefined-behaviour sanitizers"]
    assert opened.reduced.integers(np.zeros((1, *opened.artifact.spec.input_shape), np.float32))


def test_sanitizers_that_cannot_run_are_missing(tmp_path, monkeypatch):
    """Their libraries are there, but this machine's memory layout does not suit them: the empty program stops."""
    here = compiling.lacks_sanitizers(compilers()[0])
    stopped = subprocess.CompletedProcess([], 1, "", "Shadow memory range interleaves")
    monkeypatch.setattr(compiling, "build", lambda *_: tmp_path)
    monkeypatch.setattr(compiling.subprocess, "run", lambda *_, **__: stopped)
    assert "Shadow memory range interleaves" in compiling.lacks_sanitizers("another compiler")
    assert compiling.lacks_sanitizers(compilers()[0]) == here
