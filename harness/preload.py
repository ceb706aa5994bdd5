"""Heavy imports that every worker needs, done once in the server that workers are forked from.

Importing starts no CUDA context and no thread pool; that is what makes a fork of it a fresh process.
"""

import lm_eval.api.task
import torch
import transformers.models.auto.modeling_auto

__all__ = ["lm_eval", "torch", "transformers"]
