"""``python -m lenetx_cli``, the same as ``lenetx``."""

from .app import main

if __name__ == "__main__":
    main()
