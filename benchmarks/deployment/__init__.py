"""Bundles of real runs: equivalent, small, fast, and as slow on a link as predicted."""
