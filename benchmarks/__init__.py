"""How fast the scoring and generation engine is, beside lm-eval's own backend, on the same requests in the same run.

    scoring      `python -m benchmarks.scoring`: the command and its last line
    planning     `python -m benchmarks.planning`: 100,000 requests, without a model
    suite        which sections run, in which order, with how many documents
    ask          what can be asked for
    rounds       one workload, the contestants taking turns
    generation   mixed lengths, equal lengths, and batch 1 against the memory's bandwidth
    screened     ours with bf16 first, against ours
    contestants  ours, lm-eval's
    peak         memory above the weights, each contestant in a process of its own
    machine      the rates that the machine reaches by itself: matrix products, memory
    work         token arithmetic: what has to be computed at least
    baseline     the rows that have to be computed, and the plain reference on a sample of them
    workloads    what is asked: documents of requests
    prompts      workloads from real prompts
    synthetic    workloads of the same shape without any data
    source       real prompts or synthetic ones, by what is there
    vocabulary   tokenizers
    shapes       models with random weights
    results      what was measured, section by section
    report       all of it, and the last line
    table        the tables on the terminal
    figure       the bars
    analysis     100,000 measurements loaded and pivoted
    statistics   type-I errors and coverages of every test, by simulation
    simulation, simulated_pairs, simulated_models   the studies behind them
    training     training beside a plain loop
    api          the client of API models beside a bare one

Layer: above `harness`, which does not know of it. Weights are random everywhere: speed does not depend on them.
"""
