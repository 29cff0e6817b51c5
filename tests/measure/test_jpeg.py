"""Compress-and-offload: pixels and back, lengths of real files, on real images."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explorer.core.network import Network
from explorer.data.dataset import DataSet, load_data
from explorer.measure.jpeg import QUALITIES, GreyLevels, is_image, jpeg_file, jpeg_outcome


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "rgb"])
def pixels(request: pytest.FixtureRequest) -> np.ndarray:
    """Smooth uint8 images (40, 16, 24) or (40, 16, 24, 3) that use all levels."""
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 6, (40, 16, 1, request.param))
    images = np.sin(np.linspace(0, 6, 24)[:, None] + phases) + rng.normal(0, 0.1, (40, 16, 24, request.param))
    levels = 255 * (images - images.min()) / np.ptp(images)
    return levels.round().astype(np.uint8)[..., 0 if request.param == 1 else slice(None)]


@pytest.fixture(scope="module")
def data(pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    path = tmp_path_factory.mktemp("jpeg") / "images.npz"
    labels = np.arange(40) % 2
    np.savez(path, x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    return load_data(
        f"npz:{path}", train_samples=None, validation_samples=10, test_samples=None, seed=0, data_dir=None
    )


def test_grey_levels_are_the_original_pixels(pixels: np.ndarray, data: DataSet) -> None:
    levels = GreyLevels(data)
    whole = levels.of(data.test.inputs)
    assert whole.shape == pixels.shape
    assert sorted(image.tobytes() for image in whole) == sorted(image.tobytes() for image in pixels)
    torch.testing.assert_close(levels.inputs(whole), data.test.inputs, rtol=0, atol=1e-5)


def test_bytes_are_those_of_the_files_and_answers_those_of_the_decoded(data: DataSet) -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(data.input_shape)), 2))
    network = Network(backbone, torch.zeros(1, *data.input_shape), 2, 16)
    levels = GreyLevels(data)
    images = levels.of(data.validation.inputs)
    files = {quality: [jpeg_file(image, quality) for image in images] for quality in QUALITIES}
    outcomes = {quality: jpeg_outcome(network, data, data.validation, quality) for quality in QUALITIES}
    for quality, outcome in outcomes.items():
        assert outcome.sent_bytes == sum(map(len, files[quality]))
        assert outcome.exited == 0
        assert 0 <= outcome.correct <= len(data.validation)
    assert outcomes[50].sent_bytes < outcomes[90].sent_bytes
    decoded = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files[50]])
    answers = backbone(levels.inputs(decoded)).argmax(-1)
    assert outcomes[50].correct == int((answers == data.validation.labels).sum())


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 8, 8), True),
        ((3, 32, 32), True),
        ((2, 8, 8), False),
        ((1, 3, 32), False),
        ((64,), False),
        ((3, 32), False),
    ],
)
def test_only_images_have_a_jpeg_baseline(shape: tuple[int, ...], expected: bool) -> None:
    assert is_image(shape) == expected
