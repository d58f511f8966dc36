"""Build the command that resumes an interrupted training."""

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from lenetx.training.run_files import Files

__all__ = ["resume_command"]

_NOT_REPEATED = {"resume", "init", "mean", "std", "labels", "trust_pickle", "accept_code", "output"}
"""Options that do not apply to a resumed training, or that are always added."""


def resume_command(context: "typer.Context", files: "Files") -> str:
    """Return the command line that resumes this training, with the options that it was given."""
    words = ["lenetx", "train", "--resume", "-o", str(files.checkpoint)]
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in _NOT_REPEATED or source is None or source.name != "COMMANDLINE":
            continue
        option, value = parameter.opts[0], context.params[name]
        if isinstance(value, bool):
            words.append(option)
        else:
            for each in value if isinstance(value, list | tuple) else (value,):
                words += [option, str(each)]
    return shlex.join(words)
