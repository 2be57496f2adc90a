"""How good the labels and the model are, with honest intervals."""
