"""Methods: ways to adapt a model before it is measured. One file and one final class each.

    none      the model as it is
    full      every parameter
    head      what is on top of a frozen body: a linear probe
    bitfit    the biases
    adapter   bottlenecks behind attention and feed-forward
    lora, adalora, ia3   small changes of linear layers, merged into them afterwards
    prefix, prompt       trained vectors before every text
    article   the recipe of the article that this project began with

Layer: measuring, above `training` and `models`. A method is a frozen dataclass with `name` and
`adapt(subject) -> subject`; one that is trained has `training`, `soft`, and `fit(base, steps, reversible)` besides, and
is put on a subject from the folder of its adapter (`trained`).
"""
