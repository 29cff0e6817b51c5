"""Whether networks gain from learning from their own output, or from the dense network of their variant."""
