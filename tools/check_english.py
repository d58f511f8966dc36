"""Fail on docstrings whose first line is not imperative, as CONTRIBUTING.md requires.

    python tools/check_english.py FOLDER…

It checks only the few forms that can be detected automatically.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

REFUSED = {
    "Give": "Return",
    "Say whether": "Return whether",
    "Do nothing if": "Check that, or Raise if",
}


def findings(path: Path) -> Iterator[str]:
    """Yield a sentence for each docstring of a file that begins with a rejected form."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            for form, instead in REFUSED.items():
                if first.startswith(f"{form} "):
                    yield f"{path}:{node.body[0].lineno}: '{form}' begins the docstring: write {instead} …"


def main() -> None:
    """Print the findings and exit with 1 if there are any."""
    paths = (path for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("*.py")))
    found = [sentence for path in paths for sentence in findings(path)]
    print("\n".join(found), end="\n" * bool(found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
