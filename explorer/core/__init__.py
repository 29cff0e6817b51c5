"""The core: predefined sparsity, split points, early exits, joint training and the exact sweep."""
