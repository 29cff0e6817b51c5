"""Data sets: arrays, image folders and downloads, checked and cut into subsets."""
