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
training_split  which split of a task is learnt from     (light)
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
splits      a task's training split -> examples

protocol    options behind letters: the prompts of the protocols `letter` and `generate`
protocol_parse  the grammar of free answers                   (pure)
protocol_score  their answers -> samples in the clean order of options
protocol_chat   whether prompts become conversations

perturbed   a task under a variation, as a workload           (light)
change      what a variation may do to a task
edit        text perturbations of a task's documents
fields      which texts of a document show in its query
instruction the words of a prompt that stand in its recipe
variants    prompt formats, orders and draws, as configuration (light)
formats     the grammar of prompt formats                 (pure)
layout      descriptors and labels of options in a prompt (pure)
reformat    a task in another format
listed      options that a prompt lists
option_order  those options in another order
example_order few-shot examples in another order, or other ones
"""
