"""Predefined sparsity (Dey et al., 2019): patterns of kept connections and layers that hold only those."""
