"""What comes in from other harnesses, and what goes out to other tools.

    lm_eval            lm-eval's result files -> records and samples of a study   (`lm_eval_files`, `lm_eval_documents`)
    tidy               a study -> its four tables, checked on the way out and in
    export             a study -> CSV, LaTeX, TensorBoard, Weights & Biases, MLflow
    commands           `harness import` and `harness export`

Layer: beside the two halves: it imports the store, task labels and the reading half; nothing imports it but the command
line. Neither torch nor lm-eval is needed.
"""
