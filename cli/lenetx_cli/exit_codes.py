"""Define the exit codes that do not come from a ``LenetxError``; docs/api.md lists all exit codes."""

__all__ = ["INTERNAL_ERROR", "INTERRUPTED", "NOT_HERE", "NOT_READ", "PROOF_FAILED", "TERMINATED"]

PROOF_FAILED = 1
NOT_HERE = 3
"""``doctor`` found that this machine cannot make predictions."""
INTERNAL_ERROR = 70
"""A bug in lenetx: EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
"""128 + SIGINT, as in shells."""
NOT_READ = 141
"""The reader of the output went away: 128 + SIGPIPE."""
TERMINATED = 143
"""128 + SIGTERM."""
