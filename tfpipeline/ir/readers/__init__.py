"""Readers of networks that live in TensorFlow; the bridge to the graph."""
