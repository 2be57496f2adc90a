"""Nearest-neighbour graphs over frozen features, and the linear algebra on them. No torch, no N×N array."""
