"""Ways to weigh tasks against each other, one a file."""
