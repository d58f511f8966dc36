"""The ``lenetx`` command: thin over the functions of ``lenetx``."""
