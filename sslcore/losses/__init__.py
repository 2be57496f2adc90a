"""Losses as pure functions of tensors: one idea a file, a loss goes down.

Logits are named ``logits`` and probabilities ``proba``; a function that needs one never takes the other.
"""
