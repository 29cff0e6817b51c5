"""Asynchronous successive halving (ASHA) over whole fronts: rungs, rankings, promotions."""
