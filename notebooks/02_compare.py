# %% [markdown]
# # Is one model better than another?
#
# Six models, seven tasks, one question. Two models that answered the same documents can be compared document by
# document, which tells them apart with far fewer documents than two separate scores would. What is said here is said by
# rule, and where nothing can be said, that is the answer.

# %%
import matplotlib.pyplot as plt
import numpy as np

from harness import analysis

study = analysis.example("quickstart")
scores = analysis.load(study).query("primary")
table = scores.pivot(index="model", columns="workload", values="value")
table.round(3)

# %% [markdown]
# The same as a picture, with intervals. Each has its own scale; arrows point to the better side.

# %%
figures = analysis.draw(study)
figures["scores"]

# %% [markdown]
# ## Pair by pair
#
# `compare` pairs every two models on every task, on identical documents and prompts only. `diff` is how much better `a`
# is; `p_holm` is adjusted for all tests that are made here; the verdict follows from both.

# %%
pairs = analysis.compare(study)
shown = ["a", "b", "diff", "ci_lo", "ci_hi", "rho", "only_a", "only_b", "p_holm", "mde80", "verdict"]
pairs.query("task == 'zoo-sentiment'")[shown].round(3).reset_index(drop=True)

# %%
pairs.groupby(["task", "verdict"]).size().unstack(fill_value=0)

# %% [markdown]
# *Inconclusive* is not *equal*. `mde80` is the difference that so many documents would mostly have shown, and
# `required_n` says how many it would take to show a difference of one point.

# %%
open_pairs = pairs[pairs["verdict"] == "inconclusive"]
open_pairs[["task", "a", "b", "n", "diff", "mde80", "required_n"]].sort_values("mde80").head(6).round(3)

# %% [markdown]
# ## Everything against one model
#
# Dots left of the line are worse than the baseline. An interval that crosses the line shows nothing.

# %%
baseline, task = "mini-gpt2-m", "zoo-sentiment"
mine = pairs.query("task == @task and (a == @baseline or b == @baseline)")
sign = np.where(mine["b"] == baseline, 1, -1)
names = np.where(mine["b"] == baseline, mine["a"], mine["b"])
ends = np.sort(np.column_stack([sign * mine["ci_lo"], sign * mine["ci_hi"]]) * 100, axis=1)
order = np.argsort(sign * mine["diff"])
figure, axes = plt.subplots(figsize=(7, 2.2), layout="constrained")
axes.axvline(0, color="black", linewidth=0.8)
axes.hlines(names[order], ends[order, 0], ends[order, 1], color="#0072B2")
axes.plot((sign * mine["diff"] * 100).to_numpy()[order], names[order], "o", color="#0072B2")
axes.set(xlabel=f"{task}: points of accuracy better than {baseline}, paired, 95 % interval")
axes.spines[["top", "right", "left"]].set_visible(False)

# %% [markdown]
# ## Where do they disagree?
#
# The documents behind a difference: what only one of the two gets right.

# %%
one, other = "mini-neox", "mini-gpt2-s"
documents = analysis.samples(study).query("workload == @task and model in [@one, @other]")
wide = documents.pivot(index="item_id", columns="model", values="metric:acc")
only = wide.index[(wide[one] == 1) & (wide[other] == 0)]
print(f"{len(only)} documents only {one} gets right, {((wide[one] == 0) & (wide[other] == 1)).sum()} only {other}")
texts = documents[documents["item_id"].isin(only[:3])].sort_values(["item_id", "model"])
for _, rows in texts.groupby("item_id"):
    print(f"\n{rows['prompt'].iloc[0]!r}; right is {rows['gold'].iloc[0]!r}")
    for row in rows.itertuples():
        print(f"    {row.model} says {row.pred!r}")

# %% [markdown]
# ## What does quality cost?

# %%
figures["tradeoffs"]

# %% [markdown]
# `harness report results/STUDY` writes all this and more into one page. Next: [03_robustness](03_robustness.ipynb).
