"""``python -m explorer.inspect``: what a backbone contains, before anything is trained."""
