"""The surrogate model of a search: predicts fronts of networks not trained yet, and says which to train next.

Costs of every network are known exactly before training; accuracies are what a Gaussian process predicts from
the networks trained so far. Bayesian optimisation with the hypervolume a predicted front adds as acquisition.
"""
