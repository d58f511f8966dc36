"""Read the version from the installed distribution."""

from importlib import metadata

__all__ = ["PRODUCER", "__version__"]

__version__ = metadata.version("lenetx")
PRODUCER = f"lenetx {__version__}"
