"""Heavy imports that every worker needs, done once in the server that workers are forked from.

Importing starts no CUDA context and no thread pool; that is what makes a fork of it a fresh process.
"""

import os

# Some modules of transformers ask at import whether there is CUDA. By NVML the answer needs no context, and a process
# with one cannot be forked.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

import lm_eval.api.task
import torch
import transformers.models.auto.modeling_auto
import transformers.models.gpt2.modeling_gpt2  # and with it what the models of all families need

import harness.models.subject
import harness.scoring.lm

__all__ = ["harness", "lm_eval", "torch", "transformers"]
