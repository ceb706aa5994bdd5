"""Fine-tuning: examples -> a fitted model, what it cost, and the subject that is measured afterwards.

    settings    how a model is trained, whatever the method                   (light)
    examples    what it is trained on                                         (light)
    targets     names of the layers that methods work on, by family           (light)
    report      what a training took and how it went                          (light)
    eda, augment  changed copies of training texts                            (light)
    naming      the name of an adapter: hash of base, method and data         (light)
    rows        examples -> batches of tokens
    fitting     a model made ready to be fitted; merging; undoing
    selected, bottleneck, through_peft   the three kinds of fitting
    classifier  the classification head, and the `lm` of a classifier
    soft        a model with a soft prompt, as the scoring engine sees it
    loop        transformers' Trainer with this project's loss, evaluation and checkpoints
    arguments   settings, as that Trainer has them
    adversary   adversarial training on embeddings
    saved       the folder of an adapter
    train       the training itself
    attach      folder -> subject, and back

Layer: measuring, below `methods`, above `models`. Light modules import no torch.
"""
