"""Threads of numerical libraries."""

import torch

DEFAULT_THREADS = 1


def set_threads(threads: int | None) -> None:
    """Pin torch's threads; one by default, since small networks train no faster on more."""
    torch.set_num_threads(threads or DEFAULT_THREADS)
