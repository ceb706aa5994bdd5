"""Quality workloads: the bridge to lm-eval. The only package, beside the LM adapter, that imports lm_eval.

spec        a task as configuration                           (light: no torch, no lm-eval)
own         a user's own JSONL or CSV as a task               (light)
gold        which option of its rows is the right one     (light)
own_config  that file as the config of an lm-eval task        (light)
rows        rows of a local data file, with file and line     (light)
recipe      an lm-eval YAML read without lm-eval              (light)
index       names of lm-eval's own tasks -> YAML files        (light)
sources     what a task's source names -> its YAML files      (light)
metric_names  the metrics a recipe has                     (light)
checks      faults in a task's files, found without weights   (light)
documents   identity, few-shot draws, nested subsets          (pure)
metrics     numbers from answers                              (pure)
text        token F1, BLEU, chrF, ROUGE                       (pure)
measure     samples and values -> measurements                (pure)
cautions    what a reader of the numbers must be told         (pure)
load        YAML -> lm-eval task objects
templates   lm-eval's prompt templates, compiled once
prompts     documents -> requests, with few-shot examples
answer      requests -> answers of a subject
score       answers -> samples and metric values, by lm-eval's rules
run         all of it in order
"""
