"""What a search costs apart from training, how that grows, and how trainings speed up on workers."""
