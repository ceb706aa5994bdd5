"""Efficiency workloads: how fast a subject is, and what memory it takes.

Layer: beside `tasks`. Each module holds one final class; constructing one imports no torch.
"""
