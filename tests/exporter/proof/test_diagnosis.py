"""Who is wrong where an artifact and eager disagree: the file, or the engine that runs it."""

import dataclasses
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import onnx
import pytest

from lenetx import ArtifactError, Reference, Report
from lenetx.formats.artifact import OpenedArtifact, Run
from lenetx.proof import as_artifact, prove
from lenetx.report import Check

from .conftest import Floats, check_of


@pytest.fixture
def file(opened: Callable[[bytes, str], OpenedArtifact], onnx_bytes: bytes) -> OpenedArtifact:
    return opened(onnx_bytes, "lenet5.onnx")


class Elsewhere:
    """An engine that computes something else."""

    device = "cpu"

    def __init__(self, run: Callable[[Floats], Floats]) -> None:
        self.run = run


def test_there_is_none_where_they_agree(file: OpenedArtifact, few: Reference) -> None:
    check = check_of(prove(file, few), "diagnosis")
    assert (check.status, check.detail) == ("not_applicable", "They agree.")


def test_a_changed_graph_is_the_exporters_fault(judge_damaged: Callable[..., Report]) -> None:
    def damage(model: onnx.ModelProto) -> None:
        next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Tanh"

    check = check_of(judge_damaged(damage), "diagnosis")
    assert check.status == "failed"
    assert check.measured > 1
    assert check.detail == "The file itself is wrong: the exporter, or someone after it, wrote another network."


def test_an_engine_that_is_off_is_the_engines_fault(file: OpenedArtifact, few: Reference) -> None:
    off = Elsewhere(lambda x: file.backend.run(x) + np.float32(1e-3))
    check = check_of(prove(dataclasses.replace(file, backend=off), few), "diagnosis")
    assert (check.status, check.subject) == ("failed", "4 inputs, by onnx's ReferenceEvaluator")
    assert check.measured < 1
    assert check.detail == "The file is right: the engine that ran it computes something different."


def test_an_engine_that_cannot_run_is_the_engines_fault(file: OpenedArtifact, few: Reference) -> None:
    check = check_of(prove(dataclasses.replace(file, backend=Elsewhere(lambda _: 1 / 0)), few), "diagnosis")
    assert check.detail == "The file is right: the engine that ran it computes something different."


def test_what_the_engine_has_no_memory_for_is_not_evaluated(file: OpenedArtifact, few: Reference) -> None:
    def run(_: object) -> NoReturn:
        raise ArtifactError("Available memory of 10 is smaller than requested bytes of 100")

    off = dataclasses.replace(file, backend=Elsewhere(run), evaluate=lambda _: 1 / 0)
    assert (
        check_of(prove(off, few), "diagnosis").detail
        == "It needs more memory than an honest network of its size would."
    )


def test_one_way_to_run_it_that_is_off_is_pointed_at(file: OpenedArtifact, few: Reference) -> None:
    run = Run("mine", lambda: Elsewhere(lambda x: file.backend.run(x) * 2))
    check = check_of(prove(dataclasses.replace(file, runs=(run,)), few), "diagnosis")
    assert check.detail.startswith("The logits of these inputs are right, in the file and in its engine")


def test_the_worst_images_decide(file: OpenedArtifact, few: Reference) -> None:
    """Run and file are wrong for one image, which is among those that are asked."""
    picture = few.real.inputs[40]

    def wrong(x: Floats) -> Floats:
        return file.backend.run(x) + np.float32(1e-3) * (x == picture).all(axis=(1, 2, 3))[:, None]

    both = dataclasses.replace(file, backend=Elsewhere(wrong), evaluate=wrong)
    assert "The file itself is wrong" in check_of(prove(both, few), "diagnosis").detail


def test_a_file_that_onnx_cannot_follow_is_wrong(file: OpenedArtifact, few: Reference) -> None:
    off = Elsewhere(lambda x: file.backend.run(x) + np.float32(1e-3))
    check = check_of(prove(dataclasses.replace(file, backend=off, evaluate=lambda _: 1 / 0), few), "diagnosis")
    assert check.detail == "The file itself is wrong: ZeroDivisionError: division by zero"


def test_a_function_has_no_definition_to_ask(file: OpenedArtifact, few: Reference) -> None:
    report = prove(as_artifact(lambda x: file.backend.run(x) * 2, few.checkpoint.spec), few)
    assert not report.passed
    check = check_of(report, "diagnosis")
    assert (check.status, check.detail) == (
        "not_applicable",
        "A function is defined only by its own results.",
    )


def test_what_a_file_says_of_itself_is_no_diagnosis(file: OpenedArtifact, few: Reference) -> None:
    wrong = Check("operators", "12 nodes", "failed")
    report = prove(dataclasses.replace(file, structure=(wrong,)), few)
    assert not report.passed
    assert check_of(report, "diagnosis").status == "not_applicable"
