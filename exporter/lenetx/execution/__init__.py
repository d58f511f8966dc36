"""Run user-supplied networks: guarded, under fixed settings, in float32 or float64."""
