"""Networks that sources of device profiles were measured with, as operators, from their published tables."""

from explorer.devices.operators import Operator

_FLOAT = 4


def _conv(inputs: int, outputs: int, taps: int, extent: int, stride: int = 1, groups: int = 1) -> Operator:
    """Square maps ``extent`` wide on the input, padded so that only the stride shrinks them."""
    after = extent // stride
    weights = outputs * (inputs // groups) * taps**2
    values = inputs * extent**2 + outputs * after**2 + weights + outputs
    kind = "depthwise_conv" if groups > 1 else "conv" if taps > 1 else "pointwise_conv"
    return Operator(weights * after**2, _FLOAT * values, kind, groups)


def _linear(inputs: int, outputs: int) -> Operator:
    weights = inputs * outputs
    return Operator(weights, _FLOAT * (weights + inputs + 2 * outputs), "linear")


def mobilenet_v1() -> list[Operator]:
    """Table 1 of Howard et al., arXiv 1704.04861, for 224 x 224; activations are fused, norms folded."""
    blocks = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)]
    blocks += [*[(512, 512, 1)] * 5, (512, 1024, 2), (1024, 1024, 1)]
    found, extent = [_conv(3, 32, 3, 224, stride=2)], 112
    for inputs, outputs, stride in blocks:
        found.append(_conv(inputs, inputs, 3, extent, stride, groups=inputs))
        extent //= stride
        found.append(_conv(inputs, outputs, 1, extent))
    pooled = Operator(0, _FLOAT * (1024 * extent**2 + 1024), "pool")
    return [*found, pooled, _linear(1024, 1000)]
