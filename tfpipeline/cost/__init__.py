"""What a graph costs, as far as no target has a say in it."""
