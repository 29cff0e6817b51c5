"""A tiny transformer over patches of an image or a window of sensor samples."""

import torch.nn.functional as F
from torch import Tensor, nn, zeros


class Attention(nn.Module):
    """Multi-head self-attention whose projections are Linear layers, so that they can be sparse.

    Example:
        >>> Attention(width=8, heads=2)(zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Tokens (B, T, E) in and out."""
        batch, tokens, width = x_BTE.shape

        def in_heads(y_BTE: Tensor) -> Tensor:
            return y_BTE.reshape(batch, tokens, self.heads, width // self.heads).transpose(1, 2)

        heads_BHTD = F.scaled_dot_product_attention(
            in_heads(self.query(x_BTE)), in_heads(self.key(x_BTE)), in_heads(self.value(x_BTE))
        )
        result: Tensor = self.out(heads_BHTD.transpose(1, 2).reshape(batch, tokens, width))
        return result


class EncoderBlock(nn.Module):
    """Attention and two Linear layers, each normalised first and added to its input.

    Example:
        >>> block = EncoderBlock(width=8, heads=2)
        >>> block.wide, block(zeros(1, 5, 8)).shape
        (Linear(in_features=8, out_features=16, bias=True), torch.Size([1, 5, 8]))
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2, self.wide, self.act, self.narrow = (
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Tokens (B, T, E) in and out."""
        x_BTE = x_BTE + self.attention(self.norm1(x_BTE))
        result: Tensor = x_BTE + self.narrow(self.act(self.wide(self.norm2(x_BTE))))
        return result


class Transformer(nn.Module):
    """Patches to tokens, encoder blocks, the mean token to logits.

    Example:
        >>> Transformer((1, 8, 8), num_classes=3, patch=4, width=8, depth=1, heads=2).places.shape
        torch.Size([1, 4, 8])
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_classes: int, patch: int, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d if len(input_shape) == 3 else nn.Conv1d
        self.embed = convolution(input_shape[0], width, patch, stride=patch)
        tokens = 1
        for extent in input_shape[1:]:
            tokens *= extent // patch
        self.places = nn.Parameter(nn.init.trunc_normal_(zeros(1, tokens, width), std=0.02))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(depth)))
        self.norm, self.classifier = nn.LayerNorm(width), nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to tokens (B, T, E)."""
        x_BTE = self.embed(x).flatten(2).transpose(1, 2) + self.places
        logits: Tensor = self.classifier(self.norm(self.blocks(x_BTE)).mean(1))
        return logits


def transformer(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    patch: int = 4,
    width: int = 32,
    depth: int = 2,
    heads: int = 2,
) -> nn.Module:
    """Vision transformer with mean pooling, no class token (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929).

    Args:
        input_shape: (C, H, W) or (C, T), extents multiples of ``patch``.
        num_classes: Logits.
        patch: Extent of a patch.
        width: Values of a token; a multiple of ``heads``.
        depth: Encoder blocks.
        heads: Attention heads.

    Example:
        >>> module = transformer(input_shape=(1, 8, 8), num_classes=3, width=8, depth=1)
        >>> module(zeros(2, 1, 8, 8)).shape
        torch.Size([2, 3])
    """
    if any(extent % patch for extent in input_shape[1:]) or len(input_shape) not in (2, 3):
        raise ValueError(f"input shape must be (C, H, W) or (C, T) in patches of {patch}, got {input_shape}")
    if width % heads:
        raise ValueError(f"width must be a multiple of heads, got width={width}, heads={heads}")
    return Transformer(input_shape, num_classes, patch, width, depth, heads)
