"""The ``lenetx`` command: thin over the functions of :mod:`lenetx`."""
