"""Ready-made backbones: plain modules, treated like any module a user brings.

A factory takes ``input_shape`` (without batch) and ``num_classes`` by name, and its own arguments.
"""

from explorer.backbones.cnn import cnn
from explorer.backbones.cnn1d import cnn1d
from explorer.backbones.ds_cnn import ds_cnn
from explorer.backbones.lenet import lenet5
from explorer.backbones.loading import build_backbone
from explorer.backbones.mlp import mlp
from explorer.backbones.mobilenet import mobilenetv2
from explorer.backbones.resnet import resnet
from explorer.backbones.transformer import transformer
from explorer.backbones.vgg import vgg

__all__ = [
    "build_backbone",
    "cnn",
    "cnn1d",
    "ds_cnn",
    "lenet5",
    "mlp",
    "mobilenetv2",
    "resnet",
    "transformer",
    "vgg",
]
