"""What is searched: the space file, its variants, candidates, and the metrics of an operating point."""
