"""What storages of a study cost, and what they survive."""
