"""Implement the commands of ``python -m lenetx_runtime``, one function each; none of them prints."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ArtifactError, InputError
from .limits import DEFAULT_LIMITS
from .values import visible

if TYPE_CHECKING:
    from argparse import Namespace

    from .classifier import Classifier
    from .prediction import Prediction
    from .run_selftest import ProviderOutcome
    from .spec import ModelSpec

__all__ = ["Screen", "doctor", "inspect", "label", "predict", "selftest", "unproven_note"]

_FAILED, _NOT_HERE = 1, 3
_MARKS = {"passed": "passed", "failed": "FAILED", "not_applicable": "n/a"}


@dataclass(frozen=True, slots=True)
class Screen:
    """Print results immediately and unchanged (``show``), and error messages (``complain``)."""

    show: Callable[[str], None]
    complain: Callable[[str], None]

    def line(self, text: str) -> None:
        """Print one line of a result, escaped: labels and file names may hold anything."""
        self.show(visible(text))

    def document(self, content: Any) -> None:
        """Print one JSON document."""
        self.show(json.dumps(content, indent=2))


def predict(asked: "Namespace", screen: Screen) -> int:
    """Label images."""
    from .classifier import Classifier

    def show(answer: dict[str, Any]) -> None:
        if not asked.json:
            screen.line(_sentence(answer))

    with Classifier(asked.model, device=asked.device, allow_native=asked.allow_native) as classifier:
        if note := unproven_note(classifier.spec, asked.model):
            screen.complain(note)
        status, found = label(classifier, asked.images, asked.top_k, show, screen.complain)
    if asked.json:
        screen.document({"model": str(asked.model)} | found)
    return status


def label(
    classifier: "Classifier",
    images: "Sequence[Path]",
    top_k: int,
    on_answer: Callable[[dict[str, Any]], None],
    on_error: Callable[[str], None],
) -> tuple[int, dict[str, Any]]:
    """Label images one by one, so that an unusable one does not stop the others.

    Args:
        classifier: with known preprocessing.
        images: paths of image files.
        top_k: number of classes in an answer.
        on_answer: called with each answer as it comes.
        on_error: called with a sentence about each unusable image.

    Returns:
        The exit code, and ``device``, ``predictions`` and ``errors`` as values for JSON.

    Raises:
        InputError: the model's preprocessing is unknown.
    """
    from .preprocess import require_known

    require_known(classifier.spec)
    predictions, errors, status = [], [], 0
    for image in images:
        try:
            (prediction,) = classifier.predict_batch([image])
        except (InputError, ArtifactError) as error:
            status = max(status, error.exit_code)
            sentence = str(error) if isinstance(error, InputError) else f"'{image}': {error}"
            errors.append({"image": str(image), "error": sentence})
            on_error(sentence)
            continue
        predictions.append(_labelled(image, prediction, top_k))
        on_answer(predictions[-1])
    return status, {"device": classifier.device, "predictions": predictions, "errors": errors}


def unproven_note(spec: "ModelSpec", model: Path) -> str:
    """Return a note on predictions of a model that nobody has proven; empty for any other."""
    from .certificate import unproven_words
    from .spec import UNPROVEN

    return f"'{model}' is unproven: {unproven_words(model.name)}" if spec.origin == UNPROVEN else ""


def inspect(asked: "Namespace", screen: Screen) -> int:
    """Check a file against its own digest and show its spec."""
    import hashlib

    from .files import naming, read_bytes
    from .native_file import is_native
    from .ort_file import is_ort, read_any_spec

    data = read_bytes(asked.model, "model", limit=DEFAULT_LIMITS.model_bytes)
    with naming(asked.model):
        spec = read_any_spec(data)
    certificate = _certificate_problem(asked.model, data, spec)
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "verified": certificate is None, "certificate": certificate}
    kind = "native" if is_native(data) else "ort" if is_ort(data) else "onnx"
    document = {"kind": kind, "name": asked.model.name, "size_bytes": len(data), "spec": json.loads(spec.to_json())}
    if asked.json:
        screen.document(document | {"facts": facts})
        return 0
    for name, words in _rows(document, spec, facts):
        screen.line(f"{name:15} {words}")
    return 0


def selftest(asked: "Namespace", screen: Screen) -> int:
    """Run a model's self-test."""
    from .files import naming, read_bytes
    from .ort_file import read_any_spec
    from .selftest import require_selftest

    data = read_bytes(asked.model, "model", limit=DEFAULT_LIMITS.model_bytes)
    outcomes = []
    with naming(asked.model):
        spec = read_any_spec(data)
    require_selftest(spec)
    for outcome in _outcomes(asked, data, spec):
        outcomes.append(outcome)
        if not asked.json:
            screen.line(_line(outcome))
    statuses = {outcome.status for outcome in outcomes}
    passed = "passed" in statuses and "failed" not in statuses
    if asked.json:
        screen.document({"model": asked.model.name, "passed": passed, "providers": [*map(_plain, outcomes)]})
    return 0 if passed else _FAILED


def _outcomes(asked: "Namespace", data: bytes, spec: "ModelSpec") -> "Iterator[ProviderOutcome]":
    from .classifier import Classifier
    from .files import naming
    from .native_file import is_native
    from .run_selftest import ProviderOutcome, run_selftest, run_selftest_everywhere

    if is_native(data):
        with Classifier(asked.model, device=asked.device or "cpu", allow_native=asked.allow_native) as classifier:
            yield ProviderOutcome.of("native", classifier.self_test())
        return
    with naming(asked.model):
        if asked.device is None:
            yield from run_selftest_everywhere(data, spec)
        else:
            yield run_selftest(data, spec, device=asked.device)


def doctor(asked: "Namespace", screen: Screen) -> int:
    """Examine the device."""
    from .doctor import examine

    found = examine()
    if asked.json:
        screen.document(found.to_plain())
    else:
        for name, words in found.rows():
            screen.line(f"{name:25} {words}")
        for sentence in found.conclusions():
            screen.line(sentence)
    return 0 if found.can_predict else _NOT_HERE


def _labelled(image: Path, prediction: "Prediction", top_k: int) -> dict[str, Any]:
    return {
        "image": str(image),
        "label": prediction.label,
        "probability": prediction.probability,
        "top": [{"label": name, "probability": share} for name, share in prediction.top(top_k)],
    }


def _sentence(answer: dict[str, Any]) -> str:
    others = ", ".join(f"{each['label']} {each['probability']:.2%}" for each in answer["top"][1:])
    line = f"{answer['image']}: {answer['label']} {answer['probability']:.2%}"
    return f"{line}, then {others}" if others else line


def _certificate_problem(model: Path, data: bytes, spec: "ModelSpec") -> str | None:
    from .certificate import require_certificate

    try:
        require_certificate(model, data, spec)
    except ArtifactError as error:
        return str(error)
    return None


def _rows(document: dict[str, Any], spec: "ModelSpec", facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (name, text) pairs as in ``lenetx inspect``."""
    said = {key: value for key, value in document["spec"].items() if value is not None}
    if spec.selftest is not None:  # its arrays would fill the screen
        said["selftest"] = f"{len(spec.selftest.logits)} images"
    verified = "It is verified: the certificate beside it is for exactly these bytes."
    rows = {
        "file": document["name"],
        "kind": document["kind"],
        "size": f"{document['size_bytes']:,} bytes",
        **said,
        "sha256": facts["sha256"],
        "certificate": facts["certificate"] or verified,
    }
    return [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in rows.items()]


def _line(outcome: "ProviderOutcome") -> str:
    parts = []
    if (result := outcome.result) is not None:
        figures = f"{result.images} images, {result.worst:.1%} of the limit used, {1000 * result.seconds:.1f} ms"
        parts.append(f"on {result.device}: {figures}.")
    return " ".join([f"{outcome.provider:24} {_MARKS[outcome.status]:6}", *parts, outcome.detail]).rstrip()


def _plain(outcome: "ProviderOutcome") -> dict[str, Any]:
    """Return values for JSON; infinity becomes a string."""
    result = outcome.result
    return {
        "provider": outcome.provider,
        "status": outcome.status,
        "device": result and result.device,
        "images": result and result.images,
        "worst": result and (result.worst if result.worst < float("inf") else str(result.worst)),
        "seconds": result and result.seconds,
        "detail": outcome.detail,
    }
