"""How soon a sampler finds the front of a space of which every network was trained once, see ``__main__``."""
