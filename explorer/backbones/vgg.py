"""VGG networks for small images."""

from collections import OrderedDict

from torch import nn

# convolutions of each of the five stages, by number of weight layers: table 1 of the paper, A, B, D, E
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(*, input_shape: tuple[int, ...], num_classes: int, depth: int, width: int) -> nn.Module:
    """VGG (Simonyan & Zisserman, ICLR 2015, arXiv 1409.1556) with batch normalisation.

    Five stages of 3x3 convolutions with ``width``, 2, 4, 8 and 8 times as many channels (64 in the paper),
    each ended by 2x2 max pooling where an extent of two is left; then global average pooling and one Linear
    layer, as usual for small images.

    Args:
        input_shape: (C, H, W).
        num_classes: Logits.
        depth: 11, 13, 16 or 19.
        width: Channels of the first stage.

    Example:
        >>> module = vgg(input_shape=(3, 32, 32), num_classes=10, depth=11, width=4)
        >>> module.stage2.conv1
        Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
        >>> module.classifier
        Linear(in_features=32, out_features=10, bias=True)
    """
    if depth not in STAGES:
        raise ValueError(f"depth must be one of {', '.join(map(str, STAGES))}, got {depth}")
    previous, *extents = input_shape
    stages: dict[str, nn.Module] = {}
    for number, convolutions in enumerate(STAGES[depth], start=1):
        outputs = width * min(2 ** (number - 1), 8)
        layers: dict[str, nn.Module] = {}
        for place in range(1, convolutions + 1):
            layers |= {
                f"conv{place}": nn.Conv2d(previous, outputs, 3, padding=1, bias=False),
                f"norm{place}": nn.BatchNorm2d(outputs),
                f"relu{place}": nn.ReLU(),
            }
            previous = outputs
        if min(extents) >= 2:
            layers["pool"] = nn.MaxPool2d(2)
            extents = [extent // 2 for extent in extents]
        stages[f"stage{number}"] = nn.Sequential(OrderedDict(layers))
    stages |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    stages["classifier"] = nn.Linear(previous, num_classes)
    return nn.Sequential(OrderedDict(stages))
