"""``python -m benchmarks.paper``: the papers' networks on MNIST, in real bytes and seconds."""
