"""Graphs as modules: they leave nothing behind once they are gone."""

import linecache

import torch
from torch.fx.graph_module import _loader

from explorer.backbones import build_backbone
from explorer.core.network import Network


def test_no_source_is_kept_of_networks_that_were_built_and_cut() -> None:
    def kept() -> tuple[int, int]:
        return sum(name.startswith("<eval_with_key>") for name in linecache.cache), len(_loader.eval_cache)

    before = kept()
    backbone = build_backbone(
        "explorer.backbones:cnn", {"channels": [4, 8], "hidden": 8}, (1, 8, 8), 3, seed=0
    )
    network = Network(backbone, torch.zeros(1, 1, 8, 8), num_classes=3, exit_features=4)
    for point in network.split_points:
        parts = network.parts(point)
        assert "def forward" in parts.edge.code
    assert kept() == before
