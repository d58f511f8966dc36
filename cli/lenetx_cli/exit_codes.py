"""Exit codes of commands that raise no error of ours; docs/api.md lists all of them."""

__all__ = ["INTERNAL_ERROR", "INTERRUPTED", "NOT_HERE", "NOT_READ", "PROOF_FAILED", "TERMINATED"]

PROOF_FAILED = 1
NOT_HERE = 3
"""No prediction can be made on this machine: what ``doctor`` ends with."""
INTERNAL_ERROR = 70
"""A fault of lenetx itself: EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
NOT_READ = 141
"""Whoever read the output went away: 128 + SIGPIPE."""
TERMINATED = 143
"""128 + SIGTERM."""
