"""Explore how to run a neural network across an edge device and a server."""

__version__ = "0.1.0"
