# %% [markdown]
# # One model, read closely
#
# What can one model do, how sure are we of it, and what does it do when it is wrong? The records are those of the
# quickstart and come with the package: nothing is measured here, and nothing is downloaded. The models are miniatures
# trained on a made-up world. They show how to read results, and say nothing about published models.

# %%
import matplotlib.pyplot as plt
import pandas as pd

from harness import analysis
from harness.analysis import calibration

study = analysis.example("quickstart")  # a folder like the ones under results/
numbers = analysis.load(study)
print(f"{len(numbers):,} measurements of {numbers['cell'].nunique()} cells of {numbers['model'].nunique()} models")

# %% [markdown]
# One row is one value of one metric. `primary` marks the metric that a task is ranked by. Every value carries its unit,
# how many documents it rests on, and, where there is one, its 95 % interval.

# %%
model = "mini-neox"
tasks = numbers.query("model == @model and primary").sort_values("workload")
tasks[["workload", "metric", "value", "ci_lo", "ci_hi", "n", "chance"]].round(3).reset_index(drop=True)

# %% [markdown]
# ## How far from guessing?
#
# A score means little without the score of guessing (the short line) and without its interval (the long one).

# %%
shares = tasks[tasks["metric"].isin(["acc", "acc_norm", "exact_match"])].iloc[::-1]
figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
axes.hlines(shares["workload"], shares["ci_lo"], shares["ci_hi"], color="#0072B2")
axes.plot(shares["value"], shares["workload"], "o", color="#0072B2")
axes.plot(shares["chance"].astype(float), shares["workload"], "|", color="#5f5f5f", markersize=14)
axes.set(xlim=(0, 1), xlabel="share of documents that are right, 95 % interval; | guessing")
axes.spines[["top", "right", "left"]].set_visible(False)

# %% [markdown]
# ## What does it get wrong?
#
# The answers themselves are kept, one row per document. Read some before you believe a number.

# %%
documents = analysis.samples(study).query("model == @model and workload == 'zoo-sentiment'")
wrong = documents[documents["metric:acc"] == 0]
for row in wrong.head(4).itertuples():
    print(f"{row.prompt!r}\n    the model says {row.pred!r}, right is {row.gold!r}\n")

# %% [markdown]
# ## Does it know when it is wrong?
#
# From the log-likelihoods of the options follows a confidence. A calibrated model is right on 80 % of the documents on
# which it is 80 % sure. The error of a finite sample is never 0, so it is set against what a perfectly calibrated model
# would show on as many documents.

# %%
shares = calibration.probabilities(calibration.padded(documents["logprobs"].to_list()))
places = zip(documents["options"], documents["gold"], strict=True)
gold = pd.Series([[one.strip() for one in options].index(right.strip()) for options, right in places]).to_numpy()
sure, right = calibration.confident(shares, gold)
error = calibration.expected_error(sure, right)
print(f"It is {sure.mean():.0%} sure on average, and right on {right.mean():.0%} of {len(right)} documents.")
print(
    f"Calibration error {error.value:.3f}; a perfectly calibrated model would show about {error.floor:.3f}, "
    f"and less than {error.limit:.3f} in 19 of 20 samples."
)
pd.DataFrame(
    [
        {
            "sure": one.confidence,
            "right": one.accuracy,
            "from": one.interval.lo,
            "to": one.interval.hi,
            "documents": one.n,
        }
        for one in calibration.reliability(sure, right, bins=6)
    ]
).round(2)

# %% [markdown]
# ## What must a reader know?
#
# Warnings and failures are part of the result: they are rows too.

# %%
cells = analysis.cells(study).query("model == @model")
cells[["workload", "status", "warning_count", "error", "documents", "available", "seconds"]].round(2)

# %% [markdown]
# To read your own model, run `harness run model=... task=...` and put its folder where `study` is set: everything else
# stays as it is. Next: [02_compare](02_compare.ipynb), several models on the same documents.
