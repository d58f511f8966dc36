"""Run ``python -m lenetx_runtime``: predict, inspect, selftest and doctor, without torch.

The only module of this package that prints.
"""

import argparse
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from . import commands
from .errors import LenetxError
from .streams import make_safe, silence
from .values import visible

__all__ = ["main"]

_FAULT, _INTERRUPTED, _NOT_READ = 70, 130, 141
"""Exit codes of the command ``lenetx``; 141 is 128 + SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: what follows ``python -m lenetx_runtime``; if ``None``, the arguments of this process.
    """
    make_safe()
    asked = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", "invalid value encountered")  # our errors report NaN and infinity
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")  # our own limit applies
    try:
        status: int = asked.run(asked, commands.Screen(_show, _complain))
    except LenetxError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return _INTERRUPTED
    except OSError as error:  # stdout is full or closed
        silence(sys.stdout)
        if isinstance(error, BrokenPipeError):  # the reader, such as head, has enough
            return _NOT_READ
        _complain(f"The output could not be written: {error.strerror}.")
        return LenetxError.exit_code
    except Exception:  # a bug: exit code 1 would mean a failed self-test
        traceback.print_exc()
        return _FAULT
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m lenetx_runtime", description="Run a model that lenetx exported.")
    parser.add_argument("--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print it and end")
    adding = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run: Callable[..., int], summary: str, description: str, *, model: bool = True) -> argparse.ArgumentParser:
        command = adding.add_parser(run.__name__, help=summary, description=description)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print one JSON document")
        if model:
            command.add_argument("model", metavar="MODEL", type=Path, help="an .onnx, .ort or .so file of lenetx")
        return command

    predict = add(
        commands.predict,
        "label images",
        "Label images. Those that cannot be used are listed, and the exit code is 2.",
    )
    files = "a PNG, JPEG, BMP, WebP or GIF file of any size"
    predict.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help=files)
    predict.add_argument("--top-k", metavar="K", type=_count, default=3, help="how many classes to show; 3 by default")
    predict.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N; there is no silent fallback")
    allowing = "load a native library (.so), which runs its code"
    predict.add_argument("--allow-native", action="store_true", help=allowing)
    add(
        commands.inspect,
        "print a model's metadata",
        "Print what a model says of itself, and whether the certificate beside it is of exactly this file. "
        "Nothing is run.",
    )
    selftest = add(
        commands.selftest,
        "prove a model again on this device",
        "Run the images that a model carries and compare with the logits that were proven. "
        "Ends with 0 if all passed, 1 if not.",
    )
    devices = "cpu, cuda or cuda:N; every execution provider that this device's onnxruntime has by default"
    selftest.add_argument("--device", help=devices)
    selftest.add_argument("--allow-native", action="store_true", help=allowing)
    add(
        commands.doctor,
        "show what this device can run, and what prevents the rest",
        "Show versions, CPUs and execution providers, each tried with a real session, and what to do about what does "
        "not work. Ends with 0 if predictions can be made here, 3 if not.",
        model=False,
    )
    return parser


class _Version(argparse.Action):
    """Read the version only on request."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from . import __version__

        _show(f"lenetx_runtime {__version__}")
        parser.exit()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"there is no top {text}: give at least 1")
    return int(text)


def _show(text: str) -> None:
    print(text, flush=True)


def _complain(text: str) -> None:
    print(f"lenetx_runtime: {visible(text)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
