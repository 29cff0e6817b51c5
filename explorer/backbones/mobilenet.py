"""MobileNetV2 for small images."""

from collections import OrderedDict

from torch import Tensor, nn

# expansion, channels, blocks, stride of each stage: table 2 of the paper; the second stage keeps the extent
# of small images
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, LAST = 32, 1280


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise convolution, 1x1 projection; added to the input where shapes agree.

    Example:
        >>> from torch import zeros
        >>> InvertedResidual(8, 16, stride=2, expansion=6)(zeros(1, 8, 4, 4)).shape
        torch.Size([1, 16, 2, 2])
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: dict[str, nn.Module] = {}
        if expansion > 1:
            layers = {
                "expand": nn.Conv2d(inputs, wide, 1, bias=False),
                "norm1": nn.BatchNorm2d(wide),
                "relu1": nn.ReLU6(),
            }
        layers |= {
            "depthwise": nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False),
            "norm2": nn.BatchNorm2d(wide),
            "relu2": nn.ReLU6(),
            "project": nn.Conv2d(wide, outputs, 1, bias=False),
            "norm3": nn.BatchNorm2d(outputs),
        }
        self.layers = nn.Sequential(OrderedDict(layers))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in and out; the skip only where shapes agree."""
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


def mobilenetv2(
    *, input_shape: tuple[int, ...], num_classes: int, width: float = 1.0, stages: int = 7
) -> nn.Module:
    """MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381) for images of about 32x32.

    The first convolution and the second stage keep the extent. Depthwise convolutions stay dense.

    Args:
        input_shape: (C, H, W).
        num_classes: Logits.
        width: Factor of all channels, which are rounded to multiples of 8; also of the last 1280.
        stages: How many of the seven stages there are.

    Example:
        >>> module = mobilenetv2(input_shape=(3, 32, 32), num_classes=10, width=0.5, stages=2)
        >>> " ".join(dict(module.named_children()))
        'stem stage1 stage2 last pool flatten dropout classifier'
        >>> module.classifier
        Linear(in_features=640, out_features=10, bias=True)
    """
    if not 1 <= stages <= len(STAGES):
        raise ValueError(f"stages must lie between 1 and {len(STAGES)}, got {stages}")
    previous, last = _scaled(STEM, width), _scaled(LAST, width)
    layers: dict[str, nn.Module] = {"stem": _convolution(input_shape[0], previous, 3)}
    for number, (expansion, channels, blocks, stride) in enumerate(STAGES[:stages], start=1):
        outputs = _scaled(channels, width)
        stage = [
            InvertedResidual(
                previous if place == 0 else outputs, outputs, stride if place == 0 else 1, expansion
            )
            for place in range(blocks)
        ]
        layers[f"stage{number}"] = nn.Sequential(*stage)
        previous = outputs
    layers |= {"last": _convolution(previous, last, 1), "pool": nn.AdaptiveAvgPool2d(1)}
    layers |= {"flatten": nn.Flatten(), "dropout": nn.Dropout(0.2)}
    layers["classifier"] = nn.Linear(last, num_classes)
    return nn.Sequential(OrderedDict(layers))


def _scaled(channels: int, width: float) -> int:
    return max(8, round(channels * width / 8) * 8)


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(OrderedDict(conv=convolution, norm=nn.BatchNorm2d(outputs), relu=nn.ReLU6()))
