"""Models: the spec of a checkpoint, facts about its family, where it lies, and loading it as a subject.

Layer: measuring. `spec`, `families` and `sources` are light; only `subject` and what it imports touch torch.
"""
