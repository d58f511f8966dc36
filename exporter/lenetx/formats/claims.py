"""Reject a spec that claims of its file what opening the file did not show."""

from lenetx_runtime import ArtifactError
from lenetx_runtime.spec import EXPORTED

from .artifact import OpenedArtifact

__all__ = ["require_true"]

_BOUNDED = "executorch"
"""The one format that states a largest batch."""


def require_true(opened: OpenedArtifact, precisions: tuple[str, ...]) -> OpenedArtifact:
    """Return an artifact whose spec says of its origin, precision, input and outputs what was found.

    The proof compares the other fields with the checkpoint's. These are the file's own, and decide what is compared.

    Args:
        opened: the artifact.
        precisions: those of its format.

    Raises:
        ArtifactError: the spec claims something else.
    """
    artifact, spec = opened.artifact, opened.artifact.spec
    shown = {
        "origin": spec.origin if artifact.is_foreign else EXPORTED,
        "precision": artifact.precision if artifact.precision in precisions else precisions[0],
        "raw_input": opened.preprocessing is not None,
        "probabilities": opened.probabilities is not None,
        "largest_batch": spec.largest_batch if artifact.format == _BOUNDED else None,
    }
    for name, value in shown.items():
        if (claimed := getattr(spec, name)) != value:
            raise ArtifactError(f"Its spec says {name} {claimed}, and the file is not of that kind.")
    return opened
