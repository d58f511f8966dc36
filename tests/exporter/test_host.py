"""The settings of the host program reach neither proof nor classifier, and are as they were afterwards."""

import contextlib
import sys
import threading
import warnings

import numpy as np
import pytest
import torch

import lenetx
from lenetx import formats
from lenetx.execution.host import standard_settings
from lenetx.formats.network import Network

TINY = sys.float_info.min


@contextlib.contextmanager
def setting(read, write, value):
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


def precision(engine, work, value):
    def write(value):
        torch._C._set_fp32_precision_setter(engine, work, value)

    return setting(lambda: torch._C._get_fp32_precision_getter(engine, work), write, value)


@contextlib.contextmanager
def errors_of_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


HOSTS = {
    "matmul precision": lambda: setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
    "any precision": lambda: precision("generic", "all", "bf16"),
    "convolution precision": lambda: precision("mkldnn", "conv", "bf16"),
    "float64": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "meta device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(mode=True),
    "deterministic": lambda: setting(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, "error"),
    "no denormals": lambda: setting(lambda: TINY / 2 == 0, torch.set_flush_denormal, True),
    "numpy's errors": lambda: np.errstate(all="raise"),
    "warnings are errors": errors_of_warnings,
}


def state():
    """Return all that a host may have set."""
    pairs = [
        ("generic", "all"),
        *((one, two) for one in ("mkldnn", "cuda") for two in ("all", "matmul", "conv", "rnn")),
    ]
    return {
        "precisions": [torch._C._get_fp32_precision_getter(*pair) for pair in pairs],
        "matmul": torch.get_float32_matmul_precision(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "modes": (torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.is_anomaly_enabled()),
        "deterministic": torch.get_deterministic_debug_mode(),
        "flushes": TINY / 2 == 0,
        "numpy": np.geterr(),
    }


@pytest.fixture(scope="module")
def published(tmp_path_factory, checkpoint):
    """A folder with a checkpoint and both artifacts, and the logits of each on random inputs."""
    folder = tmp_path_factory.mktemp("host")
    lenetx.save(checkpoint, folder / "net.pt")
    lenetx.export(folder / "net.pt")
    inputs = np.random.default_rng(0).standard_normal((16, *checkpoint.spec.input_shape), np.float32)
    names = ("net.pt", "net.torchscript", "net.onnx")
    return folder, inputs, {name: lenetx.classifier(folder / name).logits(inputs) for name in names}


@pytest.mark.parametrize("name", HOSTS)
def test_no_setting_of_the_host_changes_a_logit_or_a_limit_and_each_is_as_it_was(published, name):
    folder, inputs, expected = published
    with HOSTS[name]():
        before = state()
        for file, logits in expected.items():
            np.testing.assert_array_equal(lenetx.classifier(folder / file).logits(inputs), logits)
        checkpoint = lenetx.load(folder / "net.pt")
        report = lenetx.verify_logits(expected["net.onnx"], inputs, against=checkpoint)
        assert state() == before
    calm = lenetx.verify_logits(expected["net.onnx"], inputs, against=folder / "net.pt")
    assert report.passed
    assert [(check.measured, check.limit) for check in report.checks] == [
        (check.measured, check.limit) for check in calm.checks
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTS)
def test_no_setting_of_the_host_changes_a_pt2_file_or_its_logits(published, checkpoint, tmp_path, name):
    folder, inputs, expected = published
    with standard_settings():
        calm = formats.export("pt2", Network(checkpoint))
    with HOSTS[name]():
        before = state()
        lenetx.export(folder / "net.pt", ["pt2"], folder=tmp_path)
        np.testing.assert_array_equal(lenetx.classifier(tmp_path / "net.pt2").logits(inputs), expected["net.pt"])
        assert state() == before
    assert (tmp_path / "net.pt2").read_bytes() == calm


@pytest.mark.slow
def test_the_whole_proof_passes_under_several_at_once(published):
    folder, *_ = published
    with contextlib.ExitStack() as stack:
        for name in ("matmul precision", "float64", "deterministic", "inference mode", "numpy's errors"):
            stack.enter_context(HOSTS[name]())
        reports = lenetx.export(folder / "net.pt", folder=folder / "again")
    assert all(report.passed for report in reports)


def test_threads_that_overlap_leave_the_setting_of_the_host():
    both, seen = threading.Barrier(2, timeout=30), []

    def work(early):
        with standard_settings():
            both.wait()
            if not early:
                both.wait()
            seen.append(torch.get_default_dtype())
        if early:
            both.wait()

    with HOSTS["float64"]():
        threads = [threading.Thread(target=work, args=(early,)) for early in (True, False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert torch.get_default_dtype() == torch.float64
    assert seen == [torch.float32] * 2
