"""Which operating point the edge runs, as its link changes."""
