"""How soon a search knows the trade-off: the engine against a plain loop over trainings."""
