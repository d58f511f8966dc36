"""Read files of ``torch.save``: a state_dict, alone or inside a larger dict, or a whole module."""

from lenetx_runtime.spec import METADATA_KEY

from ..data import archive
from . import run_state, tensor_file
from .find_weights import find_weights
from .found import Found, Source
from .unpickle import OtherClass, load_safely, load_trusted

__all__ = ["read", "recognises"]

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9\x20j\xa8P\x19."
"""Pickle of torch's magic number, at the start of every file written by torch before 1.6."""
_COMPILED = "torch._dynamo.eval_frame.OptimizedModule"
"""Class of the modules that ``torch.compile`` returns; in a pickle, its first argument is the network."""


def recognises(data: bytes) -> bool:
    """Return whether ``torch.save`` wrote the contents, as an archive or in the legacy format."""
    return data.startswith(_LEGACY) or archive.has(data, "data.pkl")


def read(source: Source) -> Found:
    """Find and read the weights; a pickle that needs to run code is rejected unless the source is trusted."""
    try:
        content = load_safely(source.data, values=(_COMPILED,), any_class=True)
    except OtherClass as refusal:
        if not source.trust:
            raise
        source.on_notice(f"Code in '{source.path}' is run, since its pickle is trusted: it needs {refusal.name}.")
        content = load_trusted(source.data)
    if isinstance(content, dict) and METADATA_KEY in content and isinstance(content.get("state_dict"), dict):
        return Found("checkpoint", source.require_plain(content["state_dict"]), is_lenetx=True)
    if run_state.recognises(content):
        tensor_file.require_bounded(content, len(source.data))
        found, _ = run_state.kept_weights(run_state.require_whole(content))
        return Found("state of a run", source.require_plain(found), is_lenetx=True)
    chosen = find_weights(content, source.on_notice, len(source.data))
    return Found(chosen.kind, source.require_plain(source.without_others(chosen.tensors)), network=chosen.network)
