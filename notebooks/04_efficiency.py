# %% [markdown]
# # What does it cost to run?
#
# Time, memory, and what the machine could have done at best. Times are noisy: they are taken again and again, in fresh
# processes, in random order, and one model is measured twice under two names. What those two seem to differ by is what
# the whole measurement is worth. The records are of miniature models on two processor cores that were not quiet.

# %%
import matplotlib.pyplot as plt

from harness import analysis

study = analysis.example("efficiency")
frames = analysis.profile(study)
points = frames.points.query("metric == 'decode_tok_s' and not control")
shown = ["entry", "point", "median", "lo", "hi", "unit", "replicates", "repeats", "noisy"]
points[shown].round(0).reset_index(drop=True)

# %% [markdown]
# ## The noise floor
#
# The same model against itself: the ratio should be 1. No difference that is smaller than `floor` is ever called one.
# On a busy machine the floor is high, and only models that differ by much are told apart.

# %%
frames.floor[["probe", "model", "ratio", "lo", "hi", "points", "blocks", "floor"]].round(3)

# %%
ratios = frames.ratios.query("kind == 'decode' and chief and not control")
shown = ["entry", "point", "baseline", "ratio", "lo", "hi", "blocks", "floor", "verdict"]
ratios[shown].round(3).reset_index(drop=True)

# %% [markdown]
# ## Raw times
#
# Nothing is averaged before it is stored. `timings` holds every repeat, and every gap between two tokens.

# %%
times = analysis.timings(study)
gaps = times.query("metric == 'gap' and batch == 1 and control == ''")
per_token = gaps.groupby(["model", "token"])["value"].median().unstack(0) * 1000

figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
axes.plot(per_token, linewidth=1, label=per_token.columns)
axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
axes.set(xlabel="new token", ylabel="ms to the next (median)", ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)

# %%
figures = analysis.draw(study)
figures["batch"]  # hollow: the machine was not quiet

# %% [markdown]
# ## Against what the machine can do
#
# Useful work per second beside the measured peaks of the same machine. A point far below both lines is held up by
# something else: for models this small, by Python.

# %%
figures["roofline"]

# %%
work = frames.rooflines[["entry", "probe", "batch", "intensity", "mfu", "mbu", "bound"]]
work.round(3).drop_duplicates(["entry", "probe"])

# %% [markdown]
# ## Where memory goes

# %%
figures["memory"]

# %% [markdown]
# To measure your own: `harness run -m model=... probe=[prefill,decode] control=MODEL`. Next:
# [05_your_own_data](05_your_own_data.ipynb).
