# %% [markdown]
# # Does it still work when the input is not tidy?
#
# People mistype, shout, and ask in other words. Each variation is paired with the same documents as they were, so that
# what is measured is the variation and not the luck of the draw. Three miniature models, 120 documents each.

# %%
from harness import analysis

study = analysis.example("robustness")
frames = analysis.stress(study)
numbers = analysis.load(study)
numbers.query("primary").groupby(["workload", "perturbation"])["cell"].nunique().unstack(0)

# %% [markdown]
# ## How much is lost?
#
# `drop` is positive where varied input is worse. A drop is called separable only where its test, adjusted for all
# variations of that model and task, is below 5 % and its interval leaves out 0.

# %%
drops = frames.drops.query("task == 'zoo-sentiment'")
wide = drops.pivot(index=["entry", "variation"], columns="severity", values="drop")
wide.mul(100).round(1)

# %%
shown = [
    "entry",
    "variation",
    "severity",
    "drop",
    "drop_lo",
    "drop_hi",
    "p_holm",
    "separable",
    "right_to_wrong",
    "wrong_to_right",
]
drops.sort_values("drop", ascending=False)[shown].head(6).round(3).reset_index(drop=True)

# %% [markdown]
# The score can stay while the answers change: flips go both ways. That is why they are counted apart.

# %%
drops.groupby(["entry", "variation"])[["flips", "drop"]].mean().round(3)

# %% [markdown]
# ## The whole curve

# %%
figures = analysis.draw(study)
figures["robustness-severity"]

# %% [markdown]
# ## Does it matter how one asks?
#
# The same question in several layouts. Some spread there always is: `spread_noise` is what equal prompts would show on
# as many documents.

# %%
prompts = frames.prompts[["entry", "task", "variants", "clean", "min", "max", "spread", "spread_noise", "p_holm"]]
prompts.round(3)

# %% [markdown]
# ## Somebody who wants it to fail
#
# An attack searches for an edit that makes this very model wrong. A random search with the same number of tries stands
# beside it: only what the attack does better than that is the attack's doing.

# %%
shown = ["entry", "task", "variation", "attacked", "success_rate", "lo", "hi", "control_rate", "p_holm"]
searches = frames.attacks.dropna(subset=["control_rate"])  # the random searches are the controls themselves
searches[shown].round(3).reset_index(drop=True)

# %%
example = analysis.samples(study).query("perturbation == 'char_greedy' and edits != ''").iloc[0]
print(
    f"{example['model']} is shown\n    {example['prompt']!r}\nwith these edits\n    {example['edits']}\n"
    f"and says {example['pred']!r}; right is {example['gold']!r}"
)

# %% [markdown]
# To stress your own model: `harness run model=... task=... perturbation=[keyboard_typo,upper_case]
# severity=[0.1,0.3,0.5] attack=[char_greedy]`. Next: [04_efficiency](04_efficiency.ipynb).
