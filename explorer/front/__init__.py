"""The Pareto front: dominance, hypervolume, and the choice of one point on it."""
