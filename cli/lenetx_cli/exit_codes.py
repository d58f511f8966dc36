"""Exit codes that no error of ours carries; docs/api.md lists all of them."""

__all__ = ["INTERNAL_ERROR", "INTERRUPTED", "PROOF_FAILED"]

PROOF_FAILED = 1
INTERNAL_ERROR = 70
"""A fault of lenetx itself: EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
