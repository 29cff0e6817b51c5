"""What all tests share: one torch thread, and property tests that do not depend on the machine's speed."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("explorer", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("explorer")
