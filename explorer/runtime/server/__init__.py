"""The server half: answers for bundles over the Open Inference Protocol."""
