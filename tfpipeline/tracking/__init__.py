"""Runs as servers of experiments keep them."""
