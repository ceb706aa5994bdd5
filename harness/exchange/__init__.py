"""What comes in from other harnesses, and what goes out to other tools.

    lm_eval    lm-eval's result files -> records and samples of a study   (`lm_eval_files`, `lm_eval_documents`)
    ours       configs of this project by what lm-eval calls the same model or task
    export     a study -> CSV and Parquet, LaTeX, or one of:
    to_tensorboard, to_wandb, to_mlflow   one run per cell   (`runs`)
    commands   `harness import` and `harness export`

Layer: beside the two halves: it imports the store, task labels and the reading half; nothing imports it but the command
line. Neither torch nor lm-eval is needed.
"""
