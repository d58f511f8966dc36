"""``python -m lenetx_runtime``: what can be asked of a model on a device that has no torch.

The only module of this package that prints.
"""

import argparse
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import LenetxError

if TYPE_CHECKING:
    from .reprove import ProviderOutcome

__all__ = ["main"]

_FAILED, _FAULT, _INTERRUPTED = 1, 70, 130
"""Exit codes that no error of ours carries: those of the command ``lenetx``."""
_MARKS = {"passed": "passed", "failed": "FAILED", "not_applicable": "n/a"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code.

    Args:
        arguments: what follows ``python -m lenetx_runtime``; those of this process when ``None``.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold anything
    asked = _parser().parse_args(arguments)
    try:
        return _selftest(asked.model, asked.device, as_json=asked.json)
    except LenetxError as error:
        return _sentence(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _sentence("Interrupted.", _INTERRUPTED)
    except OSError as error:  # stdout is full or closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains of it again at its end
        return _sentence(f"The output could not be written: {error.strerror}.", LenetxError.exit_code)
    except Exception:  # a fault of ours: shown whole, and never mistaken for a self-test that failed
        traceback.print_exc()
        return _FAULT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m lenetx_runtime", description="Ask a model that lenetx exported.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    selftest = commands.add_parser(
        "selftest",
        help="prove a model again on this device",
        description="Run the images that a model carries and compare with the logits that were proven. "
        "Ends with 0 if all passed, 1 if not.",
    )
    selftest.add_argument("model", metavar="MODEL", type=Path, help="an .onnx file that lenetx exported")
    selftest.add_argument(
        "--device", help="cpu, cuda or cuda:N; every execution provider that this device's onnxruntime has by default"
    )
    selftest.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _selftest(model: Path, device: str | None, *, as_json: bool) -> int:
    from .files import naming, read_bytes
    from .onnx_file import read_spec
    from .reprove import reprove, reprove_everywhere
    from .selftest import require_selftest

    data = read_bytes(model, "model")
    outcomes = []
    with naming(model):
        spec = read_spec(data)
    require_selftest(spec)
    with naming(model):
        found = reprove_everywhere(data, spec) if device is None else iter([reprove(data, spec, device=device)])
        for outcome in found:
            outcomes.append(outcome)
            if not as_json:
                print(_line(outcome), flush=True)
    statuses = {outcome.status for outcome in outcomes}
    passed = "passed" in statuses and "failed" not in statuses
    if as_json:
        document = {"model": model.name, "passed": passed, "providers": [*map(_plain, outcomes)]}
        print(json.dumps(document, indent=2), flush=True)
    return 0 if passed else _FAILED


def _line(outcome: "ProviderOutcome") -> str:
    parts = []
    if (result := outcome.result) is not None:
        figures = f"{result.images} images, {result.worst:.1%} of the limit used, {1000 * result.seconds:.1f} ms"
        parts.append(f"on {result.device}: {figures}.")
    return " ".join([f"{outcome.provider:24} {_MARKS[outcome.status]:6}", *parts, outcome.detail]).rstrip()


def _plain(outcome: "ProviderOutcome") -> dict[str, Any]:
    """Give plain values; a share that is not finite is a text, since JSON has none."""
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


def _sentence(text: str, code: int) -> int:
    print(f"lenetx_runtime: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
