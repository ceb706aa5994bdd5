"""harness: sweep GPT-family models over tasks and probes, and compare them.

The measuring half turns configs into records, the reading half turns records into tables, figures and
reports. They never import each other; they meet in `records` and `store`.

    cli         `harness run | report | compare | list | perturb | doctor | import | export`
    run         plan everything, measure what is missing, report
    doctor      what this machine can run
    facts       what the models cost, and which fit this machine
    perturb     what perturbations make of a text, shown on the terminal
    compose     the Hydra boundary: overrides -> composed configs
    catalogue   what the config groups offer
    plan        composed config -> cells                          (no torch)
    variations  tasks x perturbations, prompt variants, attacks -> cells
    trainings   fine-tuned methods -> trainings, and which adapter a task is asked under
    transfers   attacks of one model tried on the others: cells across jobs
    nodes       specifications as plain data, and back
    execute     cells -> records: one fresh process per subject
    schedule    the order of the probes: randomised blocks over all jobs
    worker      the process that loads a subject and measures its cells
    adapters    trainings in a worker, and cells under an adapter
    exclusive   what is timed is measured alone
    subjects    what a worker loads, and what cannot be measured so
    rehearsal   what cells of API models would take and cost
    preload     the imports that workers share
    preload_training  the further imports of workers that train
    workload    what everything that measures has: a protocol
    resume      what a cell that was killed in its middle may use of its answers
    progress    bars on a terminal, plain lines elsewhere
    tasks       quality workloads: the bridge to lm-eval
    attacks     adversaries that search for an edit which changes the answer
    perturbations  small changes of a text that should not change its answer  (stdlib only)
    probes      efficiency workloads
    meters      clock and memory
    methods     ways to adapt a model before measuring
    training    fine-tuning: examples -> an adapter, what it cost, and the subject that is measured
    models      specs of checkpoints and of API models, family facts, loading
    scoring     requests -> log-likelihoods; the lm-eval LM of a subject
    generation  prompts -> text: slots of rows decoded together
    forward     calls of a transformers model: kernels, cache, masks
    examples    small studies that come with the package
    zoo         the embedded miniature models
    budget      the time a run may take
    devices     what this machine has, asked without torch
    hardware    what devices could do at best: data sheets
    locations   where config files lie
    config      YAML leaf -> frozen dataclass, with one-line errors
    store       the only code that touches results/STUDY/records
    journal     the answers of a cell while it is measured
    samples     documents as Parquet
    provenance  what produced a number: versions, commit, device
    records     Cell, Measurement, Sample, Record                 (stdlib only)
    exchange    lm-eval's result files in; CSV, LaTeX, TensorBoard, Weights & Biases, MLflow out
    analysis    records -> frames -> tables, figures, report      (no torch)
"""

__version__ = "0.1.0"
