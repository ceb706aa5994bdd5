"""Clock and memory: what a piece of work cost, in seconds and bytes.

Layer: above `models`, below tasks and probes.
"""
