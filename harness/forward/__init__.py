"""Calls of a loaded transformers model: faster kernels, a preallocated cache, explicit masks and positions.

Layer: just below `generation` and `scoring`, which decide what is computed; this package is how.
"""
