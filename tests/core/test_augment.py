"""What augmentations do to a batch, each by what it must leave as it was, and by what it may change."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from explorer.core.augment import AUGMENTATIONS, Batch, Option, augmentation
from explorer.core.augmenter import Augmenter, AugmentStep, check_augment
from explorer.errors import UserError

IMAGES = torch.arange(1, 1 + 6 * 2 * 5 * 7).float().view(6, 2, 5, 7)  # every value once, none is 0
SERIES = torch.arange(1, 1 + 6 * 2 * 9).float().view(6, 2, 9)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def augmented(name: str, inputs: Tensor, step: int = 0, **options: float) -> Batch:
    steps = [AugmentStep.of(name, options)]
    return Augmenter(steps, seed=3, device=torch.device("cpu"))(Batch(inputs, LABELS, 3), step)


def windows(image: Tensor, pixels: int) -> list[Tensor]:
    """Every crop of a padded image, as it is and mirrored."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2 * pixels, width + 2 * pixels)
    padded[:, pixels : pixels + height, pixels : pixels + width] = image
    crops = [
        padded[:, top : top + height, left : left + width]
        for top in range(2 * pixels + 1)
        for left in range(2 * pixels + 1)
    ]
    return crops + [crop.flip(-1) for crop in crops]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_crop_and_flip_gives_a_window_of_each_image(memory_format: torch.memory_format) -> None:
    images = IMAGES.to(memory_format=memory_format)
    seen = set()
    for step in range(20):
        got = augmented("crop_and_flip", images, step, pixels=2).inputs
        assert got.stride() == images.stride()
        for image, own in zip(IMAGES, got, strict=True):
            (which,) = [n for n, window in enumerate(windows(image, 2)) if torch.equal(window, own)]
            seen.add(which)
    assert len(seen) > 40  # of 50
    assert torch.equal(augmented("crop_and_flip", images, pixels=0, flip=0).inputs, images)
    assert torch.equal(augmented("crop_and_flip", images, pixels=0, flip=1).inputs, images.flip(-1))


def test_cutout_blanks_one_square_of_all_channels() -> None:
    for step in range(20):
        got = augmented("cutout", IMAGES, step, size=3).inputs
        for image, own in zip(IMAGES, got, strict=True):
            blank = own == 0
            assert torch.equal(blank[0], blank[1])
            assert torch.equal(own[~blank], image[~blank])
            rows, columns = (blank[0].any(axis).nonzero().flatten() for axis in (1, 0))
            assert len(rows) <= 3 >= len(columns)
            assert blank[0].sum() == len(rows) * len(columns) >= 4  # its centre is inside
            assert rows[-1] - rows[0] == len(rows) - 1


def test_mixup_mixes_samples_and_labels_alike() -> None:
    """The share is read off the labels, and must be that of the inputs."""
    for step in range(20):
        got = augmented("mixup", IMAGES, step, alpha=0.4)
        assert got.labels.sum(1) == pytest.approx(torch.ones(6))
        one = Batch(IMAGES, LABELS, 3).probabilities
        mixes = [
            (share, other)
            for other in range(6)
            for share in [float(got.labels[0, LABELS[0]])]
            if torch.allclose(got.labels[0], share * one[0] + (1 - share) * one[other], atol=1e-6)
            and torch.allclose(got.inputs[0], share * IMAGES[0] + (1 - share) * IMAGES[other], rtol=1e-4)
        ]
        # with another sample of the same class the labels tell no share
        assert mixes or got.labels[0, LABELS[0]] == pytest.approx(1.0)
    shares = torch.tensor(
        [augmented("mixup", IMAGES, n, alpha=1.0).labels.max(1).values.min() for n in range(200)]
    )
    assert shares.min() < 0.6 < 0.95 < shares.max()


def test_shift_moves_in_time() -> None:
    moves = set()
    for step in range(20):
        got = augmented("shift", SERIES, step, steps=2).inputs
        for one, own in zip(SERIES, got, strict=True):
            padded = torch.cat([torch.zeros(2, 2), one, torch.zeros(2, 2)], 1)
            (move,) = [start for start in range(5) if torch.equal(padded[:, start : start + 9], own)]
            moves.add(move)
    assert moves == {0, 1, 2, 3, 4}


def test_time_mask_blanks_one_run() -> None:
    longest = 0
    for step in range(20):
        got = augmented("time_mask", SERIES, step, length=4).inputs
        for one, own in zip(SERIES, got, strict=True):
            blank = (own == 0).nonzero()[:, 1].unique()
            assert torch.equal(own[own != 0], one[own != 0])
            assert len(blank) <= 4
            assert not len(blank) or blank[-1] - blank[0] == len(blank) - 1
            longest = max(longest, len(blank))
    assert longest == 4


def test_scale_and_noise_have_their_deviation() -> None:
    ones = torch.ones(2000, 3, 4)
    factors = augmented("scale", ones, std=0.2).inputs
    assert torch.equal(factors, factors[:, :1, :1].expand_as(ones))
    assert float(factors[:, 0, 0].std()) == pytest.approx(0.2, rel=0.1)
    assert float(factors.mean()) == pytest.approx(1.0, abs=0.02)
    noise = augmented("noise", ones, std=0.3).inputs - ones
    assert float(noise.std()) == pytest.approx(0.3, rel=0.05)
    assert torch.equal(augmented("noise", ones, std=0).inputs, ones)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_what_is_drawn_follows_from_seed_and_step(name: str) -> None:
    inputs = SERIES if AUGMENTATIONS[name].axes == 3 else IMAGES
    first, again, later = (augmented(name, inputs, step) for step in (5, 5, 6))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.labels, again.labels)
    assert any(not torch.equal(first.inputs, augmented(name, inputs, n).inputs) for n in range(6, 12))
    assert later.inputs.shape == inputs.shape
    assert later.inputs.dtype == inputs.dtype


def test_a_new_augmentation_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.core.augment.AUGMENTATIONS", dict(AUGMENTATIONS))

    @augmentation("negative", gain=Option(1.0))
    def negative(batch: Batch, generator: torch.Generator, gain: float) -> Batch:
        return Batch(-gain * batch.inputs, batch.labels, batch.num_classes)

    from explorer.core import augment

    assert (
        augment.AUGMENTATIONS["negative"]
        .function(Batch(IMAGES, LABELS, 3), None, gain=2.0)
        .inputs[0, 0, 0, 0]
        == -2
    )


OWN = """
import torch

def swap(inputs, labels, generator):
    return inputs.flip(-1), labels

def short(inputs, labels, generator):
    return inputs[:1], labels

def alone(inputs, labels, generator):
    return inputs
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_augment.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("own")
def test_a_function_of_the_user() -> None:
    assert torch.equal(augmented("own_augment:swap", IMAGES).inputs, IMAGES.flip(-1))
    with pytest.raises(
        ValueError, match=r"own_augment:short must return inputs \(6, 2, 5, 7\) and labels \(6,\)"
    ):
        augmented("own_augment:short", IMAGES)
    with pytest.raises(ValueError, match="own_augment:alone must return two tensors"):
        augmented("own_augment:alone", IMAGES)
    with pytest.raises(ValueError, match="takes no options"):
        AugmentStep.of("own_augment:swap", {"size": 3})


def test_what_does_not_go_with_the_data() -> None:
    check_augment([AugmentStep.of(name) for name in ("crop_and_flip", "mixup")], (1, 28, 28), "here")
    with pytest.raises(
        UserError, match=r"^here: cutout is for images \(C, H, W\), got samples of shape \(2, 9\)$"
    ):
        check_augment([AugmentStep.of("cutout")], (2, 9), "here")
    with pytest.raises(UserError, match=r"^here: steps of shift must be at most .*, got 8 for samples"):
        check_augment([AugmentStep.of("shift")], (2, 7), "here")
