"""Implement the ``lenetx`` command as a thin layer over the functions of ``lenetx``."""
