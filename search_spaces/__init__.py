"""The search spaces that come with the explorer."""
