"""What all tests share: one torch thread, property tests independent of speed, a cache of their own."""

import os
import tempfile

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("explorer", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("explorer")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()  # the user's own cache is not the tests' to fill
