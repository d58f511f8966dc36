"""Reduce the precision of models: weights in float16, or int8 weights and activations calibrated on training images."""
