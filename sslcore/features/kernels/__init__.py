"""Loops that numba compiles; in a folder of their own, so that listing the encoders imports no numba."""
