"""Call a network that a user wrote: guarded, under fixed settings, in float32 or float64."""
