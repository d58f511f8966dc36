"""Time every artifact on every engine of this machine, in processes that take turns, beside eager PyTorch.

Import nothing here: each engine's process imports this package, and its memory is measured.
"""
