"""The core of split computing: cut networks, early exits, joint training, payloads, the exact sweep."""
