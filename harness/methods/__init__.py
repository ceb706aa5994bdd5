"""Methods: ways to adapt a model before it is measured. One file and one final class each.

Layer: measuring, above models. A method is a frozen dataclass with `name` and `adapt(subject) -> subject`.
"""
