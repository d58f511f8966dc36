"""Run user-supplied networks: guarded, with fixed settings, in float32 or float64."""
