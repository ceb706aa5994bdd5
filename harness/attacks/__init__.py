"""Adversaries: for each document a search for a small edit that makes this very model answer wrongly.

    spec        an attack, and a transfer of its finds, as configuration      (light)
    workload    a task under attack: documents in, samples and numbers out    (light to import)
    transfer    what one model's adversarial examples do to another           (light to import)
    examples    successes as lines of JSON
    victim      what a search sees of a classifier
    view        a task and a subject as such a classifier
    target      a document as the searches see it: words that may change, budgets
    candidates  what a word may become: typing errors, synonyms
    search      greedy by word importance, random, HotFlip; one document each
    lockstep    all searches side by side, so that the model gets large batches
    gradient    slopes of the model's answer at its input embeddings (white box)
    vocabulary  tokens that are whole words
    likeness    similarity of sentences, by the extra [semantic]
    results     finds -> samples and measurements

Every attack has its control (`Attack.control`): `char_random`, `synonym_random` and `token_random` make random edits
under the same limits of words and queries. What an attack finds above its control is the model's weakness; the rest is
noise.

Layer: above `tasks` and `scoring`.
"""
