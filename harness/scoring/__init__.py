"""Requests -> log-likelihoods, and the lm-eval model that a subject exposes.

Layer: above `generation`, below `models`. Only `lm` imports lm_eval.
"""
