"""Compare the shipped file's logits end to end, on ordinary inputs and on hard ones."""

import numpy as np

from lenetx_runtime import Classifier, InputError

from ..report import Check
from . import inputs
from .case import Case
from .compare import compare, errors_of
from .failures import reason
from .second_output import probabilities

__all__ = ["end_to_end", "hard_inputs"]


def end_to_end(case: Case) -> tuple[Check, ...]:
    """Compare the logits on random inputs and on every test image."""
    group, reference = "end to end", case.reference
    random = reference.synthetic("random inputs")
    checks = [compare("random inputs", group, random, case.logits(random))]
    probe = reference.real
    if probe is None or reference.frames is None:
        unseen = Check("real inputs", "test images", "not_run", detail=reference.missing, group=group)
        return (*checks, unseen, *probabilities(case))
    logits = case.logits(probe)
    check = compare("real inputs", group, probe, logits)
    if isinstance(logits, np.ndarray) and logits.shape == probe.exact.shape:
        figures = errors_of(probe, logits, reference.frames, reference.checkpoint.spec.labels)
        check = check.with_figures(figures)
    return (*checks, check, *probabilities(case))


def hard_inputs(case: Case) -> tuple[Check, ...]:
    """Compare the logits on extreme inputs, and check that NaN and infinity are rejected."""
    group, reference = "hard inputs", case.reference
    checks = []
    for name in inputs.HARD:
        if why := reference.unreachable(name):
            checks.append(Check(name, inputs.GROUPS[name][1], "not_applicable", detail=why, group=group))
            continue
        probe = reference.synthetic(name)
        checks.append(compare(name, group, probe, case.logits(probe), extreme=name == inputs.EXTREME))
    hardest = reference.hardest
    if hardest is None:
        checks.append(Check("lowest margins", "test images", "not_run", detail=reference.missing, group=group))
    else:
        checks.append(compare("lowest margins", group, hardest, case.logits(hardest)))
    return (*checks, _refusals(case))


def _refusals(case: Case) -> Check:
    """Check that the runtime rejects NaN and infinity in any image of a batch."""
    name, words, accepted = "refusals", "NaN, infinity and −infinity in one pixel", []
    if case.is_function:
        detail = "It is the runtime that refuses them, and a function runs without it."
        return Check(name, words, "not_applicable", detail=detail, group="hard inputs")
    if not case.opened.artifact.has_spec:
        detail = "It is the runtime that refuses them, and it runs a file of another program once it is adopted."
        return Check(name, words, "not_applicable", detail=detail, group="hard inputs")
    if case.spec.raw_input:
        return Check(name, words, "not_applicable", detail="Levels of 0 to 255 are always finite.", group="hard inputs")
    classifier = Classifier.from_backend(case.spec, case.backend)
    for value in (np.nan, np.inf, -np.inf):
        images = np.zeros((2, *case.reference.checkpoint.spec.input_shape), np.float32)
        images[1, -1, -1, -1] = value
        try:
            classifier.logits(images)
        except InputError:
            continue
        except Exception as error:  # not the runtime's own rejection
            accepted.append(f"{value} ({reason(error)})")
        else:
            accepted.append(str(value))
    problem = f"The runtime does not refuse {', '.join(accepted)}." if accepted else None
    return Check.verdict(name, words, problem, "The runtime refuses each.", group="hard inputs")
