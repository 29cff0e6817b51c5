"""Small networks whose training is lost where only their eval logits are looked at; for images 2x4x4."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

SHAPE, CLASSES = (2, 4, 4), 3


class Base(nn.Module):
    """A convolution, a batch norm, a classifier; subclasses use them in their own way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.fc = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, CLASSES)

    def stem(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))

    def head(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))


class ViewFlat(Base):
    """The first network of every tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.flat(x.view(x.size(0), -1))


class ShuffledView(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        batch, channels, height, width = x.size()
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
        return self.head(x.view(batch, channels, height, width) + self.conv2(x.flatten(1, 2)))


class AsStrided(Base):
    """Reads memory, not axes: with channels last it would read other values without an error."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stem(x).as_strided((x.size(0), 4), (64, 16)))


class ViewComplex(Base):
    """A global filter in the frequency domain, its weights viewed as complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.randn(4, 4, 3, 2) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(self.stem(x)) * torch.view_as_complex(self.filter)
        return self.head(torch.fft.irfft2(spectrum, s=(4, 4)))


class ViewedTable(Base):
    """A parameter with four axes that is viewed flat, as relative position tables are."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 2, 2, 4) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.stem(x) * self.table.view(1, 4, 4, 4)))


class RelativePosition(nn.Module):
    """Attention with a table of relative positions, indexed by a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.fc = nn.Linear(2, 12), nn.Linear(4, CLASSES)
        self.table = nn.Parameter(torch.randn(31, 1) * 0.1)
        places = torch.arange(16)
        self.register_buffer("index", places[:, None] - places[None] + 15)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x.flatten(2).transpose(1, 2)).chunk(3, -1)
        bias = self.table[self.index.view(-1)].view(16, 16)
        attention = (q @ k.transpose(1, 2) / 2 + bias).softmax(-1)
        return self.fc((attention @ v).mean(1))


class FrozenTrunk(Base):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.stem(x)
        return self.head(F.relu(self.conv2(x)))


class NestedGradModes(Base):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.conv(x)
            with torch.enable_grad():
                z = self.conv2(y)
            y = y * 2
        return self.head(self.norm(y + z))


class DetachedBranch(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.conv2(x) + x.detach())


class Sign(torch.autograd.Function):
    """Straight-through estimator (Bengio et al., arXiv 1308.3432)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class BinaryActivations(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(Sign.apply(self.stem(x))))


class BinaryWeights(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.conv2d(self.stem(x), Sign.apply(self.conv2.weight), padding=1))


class StraightThroughByDetach(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.conv2(x + (x.round() - x).detach()))


class Reverse(torch.autograd.Function):
    """Gradient reversal (Ganin & Lempitsky, arXiv 1409.7495), with a constant."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * grad, None


class ReversedGradient(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(Reverse.apply(self.stem(x), 0.5)))


class HookOnActivation(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if x.requires_grad:
            x.register_hook(lambda grad: -0.5 * grad)
        return self.head(self.conv2(x))


class HookInTraining(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.training:
            x.register_hook(lambda grad: grad.clamp(-1e-3, 1e-3))
        return self.head(self.conv2(x))


class BackwardHook(Base):
    """A hook on the gradient of a submodule with a forward of its own."""

    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) * 2

    def __init__(self) -> None:
        super().__init__()
        self.inner = BackwardHook.Inner()
        self.inner.register_full_backward_hook(lambda module, grads, _: tuple(-grad for grad in grads))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.inner(self.stem(x)))


class MaxNormConv(nn.Conv2d):
    """EEGNet (arXiv 1611.08024) limits the norm of its kernels whenever it runs."""

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data = torch.renorm(self.weight.data, p=2, dim=0, maxnorm=0.3)
        return super().forward(x)


class EEGNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.temporal = nn.Conv2d(2, 4, (1, 3), padding=(0, 1), bias=False)
        self.norm1, self.spatial = nn.BatchNorm2d(4), MaxNormConv(4, 8, (4, 1), groups=4, bias=False)
        self.norm2, self.pool, self.drop = nn.BatchNorm2d(8), nn.AvgPool2d((1, 2)), nn.Dropout(0.25)
        self.depth = nn.Conv2d(8, 8, (1, 3), padding=(0, 1), groups=8, bias=False)
        self.point, self.norm3 = nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.temporal(x))
        x = self.drop(self.pool(F.elu(self.norm2(self.spatial(x)))))
        x = F.elu(self.norm3(self.point(self.depth(x))))
        return self.fc(x.flatten(1))


class MaxNormInForward(Base):
    """Norms limited by the network's own forward, before layers run, and a scale clamped in place."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        self.fc.weight.data = torch.renorm(self.fc.weight.data, p=2, dim=0, maxnorm=0.25)
        self.scale.data.clamp_(0.1, 2.0)
        return self.head(self.conv2(self.stem(x))) * self.scale


class KeptInEval(Base):
    """Batch norm stays in eval mode whatever mode is asked for."""

    def train(self, mode: bool = True) -> "KeptInEval":
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.stem(x)))


class FrozenStage(Base):
    """As detection backbones do: a stage without gradients whose norm keeps its statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5))

    def train(self, mode: bool = True) -> "FrozenStage":
        super().train(mode)
        self.stage.eval()
        for parameter in self.stage.parameters():
            parameter.requires_grad = False
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stage(self.stem(x)))


class MovingAverage(Base):
    """A buffer that is changed in place in training, in the network's own forward."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.training:
            with torch.no_grad():
                self.mean.mul_(0.9).add_(0.1 * x.mean((0, 2, 3)))
        return self.head(self.conv2(x - self.mean[None, :, None, None]))


class AssignedAverage(MovingAverage):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean((0, 2, 3)).detach()
        return self.head(self.conv2(x - self.mean[None, :, None, None]))


class FakeQuantisation(nn.Module):
    """Scales by a moving maximum, rounds straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("largest", torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.largest.copy_(torch.maximum(0.9 * self.largest, x.detach().abs().max()))
        scale = self.largest / 127
        return x + ((x / scale).round().clamp(-128, 127) * scale - x).detach()


class Quantised(Base):
    def __init__(self) -> None:
        super().__init__()
        self.quantise = FakeQuantisation()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.quantise(self.stem(x))))


class CountedCalls(Base):
    """A buffer that counts, and scales in training once it has."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.training:
            self.calls += 1
            x = x * (1 + self.calls)
        return self.head(self.conv2(x))


class InitialisedOnce(nn.Module):
    """ActNorm (arXiv 1807.03039): its first batch sets a buffer that the forward branches on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ready", torch.tensor(False))
        self.register_buffer("shift", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not bool(self.ready):
            self.shift.copy_(x.detach().mean((0, 2, 3)))
            self.ready.fill_(True)
        return x - self.shift.view(1, -1, 1, 1)


class ActNorm(Base):
    def __init__(self) -> None:
        super().__init__()
        self.act_norm = InitialisedOnce()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.act_norm(self.stem(x))))


class NoiseInTraining(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        noise = torch.randn_like(x) if self.training else torch.zeros_like(x)
        return self.head(self.conv2(x) + 0.1 * noise)


class DropPathInline(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.conv2(x)
        if self.training:
            keep = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(0.8)
            y = y / 0.8 * keep
        return self.head(x + y)


class FunctionalDropout(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(F.dropout2d(self.stem(x), 0.5, self.training), 0.25, self.training)
        return self.head(self.conv2(x))


class Checkpointed(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.stem, x, use_reentrant=False)
        return self.head(self.conv2(x))


class CheckpointedReentrant(Base):
    def again(self, x: Tensor) -> Tensor:
        return F.dropout(self.norm(self.conv2(x)), 0.5, self.training)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(checkpoint(self.again, x, use_reentrant=True))


class SetItem(Base):
    """Rows set in place, and a tensor made in the forward."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x[:, :2] = 0
        return self.head(self.conv2(x) * torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1))


class InPlace(Base):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x.mul_(2)
        x += 1
        x = F.relu(x, inplace=True)
        return self.head(self.conv2(x))


class TensorShift(Base):
    """Temporal shift (arXiv 1811.08383): slices written into a tensor of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out = torch.zeros_like(x)
        out[:, :2, :-1] = x[:, :2, 1:]
        out[:, 2:] = x[:, 2:]
        return self.head(self.conv2(out))


class ExportedSetItem(Base):
    """A loop over a shape, which only ``torch.export`` takes, after rows were set in place."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x) * 1.0
        shifted = torch.zeros_like(x)
        shifted[:, :2, :-1] = x[:, :2, 1:]
        shifted[:, 2:] = 1
        x = x + shifted * torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
        while x.shape[-1] > 2:
            x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.head(x)


class WeightNorm(Base):
    def __init__(self) -> None:
        super().__init__()
        self.conv2 = parametrizations.weight_norm(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.stem(x)))


class OldWeightNorm(WeightNorm):
    def __init__(self) -> None:
        Base.__init__(self)
        self.conv2 = weight_norm(self.conv2)


class SpectralNorm(WeightNorm):
    """Power iterations change buffers in training."""

    def __init__(self) -> None:
        Base.__init__(self)
        self.conv2 = spectral_norm(self.conv2)


class StandardisedConv(nn.Conv2d):
    """Weight standardisation (arXiv 1903.10520)."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class WeightStandardised(Base):
    def __init__(self) -> None:
        super().__init__()
        self.conv2 = StandardisedConv(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.stem(x)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.fc = nn.GRU(8, 6, batch_first=True, bidirectional=True), nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.gru(x.transpose(1, 2).reshape(x.size(0), 4, 8))
        return self.fc(steps[:, -1])


class GRUCellLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.fc = nn.GRUCell(8, 6), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).flatten(2)
        state = x.new_zeros(x.size(0), 6)
        for step in range(4):
            state = self.cell(x[:, step], state)
        return self.fc(state)


class TemporalConvNet(nn.Module):
    """Dilated causal convolutions with weight norm, cut on the right, and residuals (arXiv 1803.01271)."""

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
            super().__init__()
            conv = nn.Conv1d(inputs, outputs, 3, padding=2 * dilation, dilation=dilation)
            self.conv, self.cut = parametrizations.weight_norm(conv), 2 * dilation
            self.drop = nn.Dropout(0.2)
            self.down = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

        def forward(self, x: Tensor) -> Tensor:
            y = self.drop(F.relu(self.conv(x)[:, :, : -self.cut].contiguous()))
            return F.relu(y + (x if self.down is None else self.down(x)))

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(TemporalConvNet.Block(2 if d == 1 else 4, 4, d) for d in (1, 2)))
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(x.flatten(2))[:, :, -1])


class ViT(nn.Module):
    """Patches, a class token, positions, two blocks with torch's attention function."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
            self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
            self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 8))

        def attend(self, x: Tensor) -> Tensor:
            batch, tokens, width = x.shape
            q, k, v = self.qkv(x).reshape(batch, tokens, 3, 2, width // 2).permute(2, 0, 3, 1, 4).unbind(0)
            dropout = 0.1 if self.training else 0.0
            x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
            return self.proj(x.transpose(1, 2).reshape(batch, tokens, width))

        def forward(self, x: Tensor) -> Tensor:
            x = x + self.attend(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(2, 8, 2, stride=2)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8) * 0.1)
        self.blocks, self.norm = nn.ModuleList([ViT.Block(), ViT.Block()]), nn.LayerNorm(8)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1) + self.places
        for block in self.blocks:
            x = block(x)
        return self.fc(self.norm(x)[:, 0])


class SwinBlock(nn.Module):
    """Attention in windows of 2x2 pixels, shifted by one, with relative positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Conv2d(2, 8, 1), nn.LayerNorm(8)
        self.qkv, self.proj, self.fc = nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, CLASSES)
        self.table = nn.Parameter(torch.randn(9, 2) * 0.1)
        y, x = torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")
        places = torch.stack([y.flatten(), x.flatten()], 1)
        offsets = places[:, None] - places[None] + 1
        self.register_buffer("index", offsets[..., 0] * 3 + offsets[..., 1], persistent=False)

    def windows(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        x = x.view(batch, height // 2, 2, width // 2, 2, channels).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(-1, 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).permute(0, 2, 3, 1)
        batch, height, width, channels = x.shape
        shifted = torch.roll(self.norm(x), (-1, -1), (1, 2))
        qkv = self.qkv(self.windows(shifted)).view(-1, 4, 3, 2, channels // 2).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        bias = self.table[self.index.view(-1)].view(4, 4, 2).permute(2, 0, 1)
        attention = (q @ k.transpose(-2, -1) * 0.5 + bias).softmax(-1)
        y = self.proj((attention @ v).transpose(1, 2).reshape(-1, 4, channels))
        y = y.view(batch, height // 2, width // 2, 2, 2, channels).permute(0, 1, 3, 2, 4, 5)
        x = x + torch.roll(y.reshape(batch, height, width, channels), (1, 1), (1, 2))
        return self.fc(x.mean((1, 2)))


class Rotary(nn.Module):
    """Rotary positions (arXiv 2104.09864): complex factors in a buffer that is not stored."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc = nn.Linear(2, 8), nn.Linear(8, CLASSES)
        angles = torch.outer(torch.arange(16.0), 1.0 / 10 ** (torch.arange(4) / 4))
        self.register_buffer("factors", torch.polar(torch.ones_like(angles), angles), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x.flatten(2).transpose(1, 2))
        pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        return self.fc(torch.tanh(torch.view_as_real(pairs * self.factors).flatten(2)).mean(1))


class CachedActivation(Base):
    """Attributes that are written for whoever looks; nothing reads them."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x = self.stem(x)
        self.shapes = [*getattr(self, "shapes", []), x.shape]
        return self.head(self.conv2(x))


class OptionalInput(Base):
    def forward(self, x: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        assert x is not None
        return self.head(self.conv2(self.stem(x)))


class DictOutput(Base):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.stem(x)
        return {"features": features, "logits": self.head(self.conv2(features))}


@dataclass
class Kind:
    """A network and what is expected of it.

    Attributes:
        net: Makes it.
        channels_last: Whether it trains the same in this memory format.
        opaque: Modules left whole.
    """

    net: Callable[[], nn.Module]
    channels_last: bool = True
    opaque: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.net.__name__


TRAINING_ZOO = (
    Kind(ViewFlat, channels_last=False),
    Kind(ShuffledView),
    Kind(AsStrided, channels_last=False),
    Kind(ViewComplex),
    Kind(ViewedTable),
    Kind(RelativePosition),
    Kind(FrozenTrunk),
    Kind(NestedGradModes),
    Kind(DetachedBranch),
    Kind(BinaryActivations),
    Kind(BinaryWeights),
    Kind(StraightThroughByDetach),
    Kind(ReversedGradient),
    Kind(HookOnActivation),
    Kind(HookInTraining),
    Kind(BackwardHook, opaque=("inner",)),
    Kind(EEGNet, opaque=("spatial",)),
    Kind(MaxNormInForward),
    Kind(KeptInEval),
    Kind(FrozenStage),
    Kind(MovingAverage),
    Kind(AssignedAverage),
    Kind(Quantised),
    Kind(CountedCalls),
    Kind(ActNorm, opaque=("act_norm",)),
    Kind(NoiseInTraining),
    Kind(DropPathInline),
    Kind(FunctionalDropout),
    Kind(Checkpointed),
    Kind(CheckpointedReentrant),
    Kind(SetItem),
    Kind(InPlace),
    Kind(TensorShift),
    Kind(ExportedSetItem),
    Kind(WeightNorm),
    Kind(OldWeightNorm),
    Kind(SpectralNorm),
    Kind(WeightStandardised),
    Kind(Recurrent),
    Kind(GRUCellLoop),
    Kind(TemporalConvNet),
    Kind(ViT),
    Kind(SwinBlock),
    Kind(Rotary),
    Kind(CachedActivation),
    Kind(OptionalInput),
    Kind(DictOutput),
)


def build(kind: Kind) -> nn.Module:
    """Seeded, with weights large enough for norms to be limited."""
    torch.manual_seed(0)
    return kind.net()
