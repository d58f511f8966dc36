"""Implement the command ``lenetx`` as a thin layer over the functions of ``lenetx``."""
