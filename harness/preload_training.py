"""Heavy imports that workers need which train, done once beside those of `preload`.

Importing starts no CUDA context and no thread pool; that is what makes a fork of it a fresh process.
"""

import gc

import peft
import transformers.trainer

import harness.tasks.splits
import harness.training.train

gc.freeze()  # Every training ends with a collection, which would look through the imported libraries each time.

__all__ = ["harness", "peft", "transformers"]
