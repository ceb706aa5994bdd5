# %% [markdown]
# # Your own data
#
# How many documents do you need, how do you have them measured, and how do you compare answers that came from somewhere
# else? The statistics here take plain lists of numbers: they work on anything that was judged item by item.

# %% [markdown]
# ## Before: how many documents?
#
# Two models that agree on most documents differ on few, and only those count. `spread` is the standard deviation of the
# difference over documents: its square is about the share of documents on which exactly one of the two is right.

# %%
import pandas as pd

from harness import analysis
from harness.analysis import equivalence, power
from harness.analysis.difference import difference
from harness.analysis.equivalence import Claim

disagreement = {"very alike (5 % differ)": 0.05, "alike (15 %)": 0.15, "unlike (30 %)": 0.30}
pd.DataFrame(
    {
        f"to show {points} points": {
            name: power.required(points / 100, share**0.5) for name, share in disagreement.items()
        }
        for points in (1, 2, 5, 10)
    }
)

# %% [markdown]
# ## Measure
#
# Two files and one command; no Python. The documents, one JSON object a line:
#
# ```json
# {"text": "the soup was cold", "label": "bad"}
# {"text": "a lovely evening", "label": "good"}
# ```
#
# How to ask, as `conf/task/mine.yaml` beside your work:
#
# ```yaml
# # @package task.mine
# _target_: harness.tasks.spec.Task
# name: mine
# about: my reviews, good or bad
# kind: classification
# metrics: [acc]
# data: {file: mine.jsonl, template: "Review: {text}\nThe review is", target: label, choices: [good, bad]}
# ```
#
# And `harness run -m model=gpt2,pythia-160m task=mine study=mine`. Then `analysis.load("results/mine")`, and the other
# notebooks work on it as they are. Several studies are one frame: `analysis.load(["results/mine", "results/older"])`.
# Old runs of lm-eval join with `harness import lm-eval PATH --study mine`.

# %% [markdown]
# ## Answers from somewhere else
#
# Two lists, one number per document, in the same order. Here they come from the examples; put your own in their place.

# %%
documents = analysis.samples(analysis.example("quickstart")).query("workload == 'zoo-topic'")
answers = documents.pivot(index="item_id", columns="model", values="metric:acc")
a, b = answers["mini-gpt2-l"], answers["mini-gpt2-s"]

# %%
found = difference(a, b)
print(f"a is right on {a.mean():.1%}, b on {b.mean():.1%} of {found.n} documents; correlation {found.correlation:.2f}")
print(
    f"difference {found.value:+.3f} [{found.interval.lo:+.3f}, {found.interval.hi:+.3f}], "
    f"{found.method} p = {found.p:.2g} ({found.only_a} only a, {found.only_b} only b)"
)

# %% [markdown]
# ## Several comparisons are a family
#
# Ask often enough, and something is significant. All questions of one table are adjusted together, and each gets one of
# four words. *Equivalent* is said only where a difference of `margin` or more was ruled out.

# %%
claims = [
    Claim(a="mini-gpt2-l", b=name, about="topic", difference=difference(a, answers[name]))
    for name in answers.columns.drop("mini-gpt2-l")
]
for verdict in equivalence.judge(claims, family="this table", margin=0.05):
    print(f"{verdict.claim.b:<12} {verdict.word:<13} {verdict.evidence}\n")

# %% [markdown]
# ## Documents that hang together
#
# Questions about one text, or the perturbed copies of one sentence, are right and wrong together. Say which belong
# together, and the error becomes honest. Here each ten documents are taken for one source: the error is that of a
# tenth of the units, and the test is one of signs that change by source.

# %%
source = [place // 10 for place in range(len(a))]
for name, one in (("as if independent", difference(a, b)), ("by source", difference(a, b, source))):
    print(f"{name:<18} {one.value:+.3f} ± {one.interval.half:.3f}, p = {one.p:.2g} ({one.method})")
