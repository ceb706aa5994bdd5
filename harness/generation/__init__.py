"""Batched decoding: prompts of tokens -> new tokens, equal to `generate` of transformers token for token.

Layer: just below `scoring`, whose lm-eval model uses it. Imports torch and transformers, never lm_eval.
"""
