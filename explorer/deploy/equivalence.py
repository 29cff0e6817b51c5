"""The proof that a bundle does what the stored network does: values first, then decisions and answers.

The bundle is read back from its folder and run sample by sample, through real payload bytes. Equal answers
prove little, since most survive a wrong weight; so every value is compared, and answers besides.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explorer.core.calibration import Calibration
from explorer.core.graph.split_points import OUTPUT
from explorer.core.intervals import wilson_interval
from explorer.core.network import Network
from explorer.core.run_point import RunPoint
from explorer.data.dataset import DataSet
from explorer.runtime.codec import Codec, decode, encode, to_codes
from explorer.runtime.manifest import Point, load_bundle
from explorer.runtime.stages import ANSWER, CROSSING, LOGITS, EdgeParts, ServerParts

TOLERANCE = 1e-5  # of values, relative to the largest where that exceeds 1; and of confidences at a threshold
MOST_CODES = 1e-3  # share of codes that may be off by one where no value lies half-way between two
MOST_MOVED = 1e-2  # share of answers that such codes may change


class NotEquivalentError(Exception):
    """A bundle does not do what the stored network does; says where and by how much."""


@dataclass
class Checked:
    """What was compared for one operating point.

    Attributes:
        point_id: Its id.
        samples: How many were compared; validation first, then test.
        test_samples: How many of them are of the test subset.
        crossing, exit_logits, server_logits: Largest difference, relative to the largest value where that
            exceeds 1; None where there is none.
        near_threshold: Samples whose confidence lies within 1e-5 of the threshold: either decision is right.
        codes_off: Codes that differ by one step though no value lies half-way between two, within 1e-5, and
            how many were compared.
        moved: Answers that differ because of such codes, or because two classes are level.
        accuracy, accuracy_ci95, exit_rate: Of the bundle on the test samples compared, with the 95 % interval
            of the stored network's accuracy.

    Example:
        >>> Checked("mlp-0.1", samples=200, test_samples=100, crossing=2e-7).to_json()["crossing"]
        2e-07
    """

    point_id: str
    samples: int
    test_samples: int
    crossing: float = 0.0
    exit_logits: float | None = None
    server_logits: float | None = None
    near_threshold: int = 0
    codes_off: tuple[int, int] = (0, 0)
    moved: int = 0
    accuracy: float | None = None
    accuracy_ci95: tuple[float, float] | None = None
    exit_rate: float | None = None
    stored_accuracy: float | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


class Reference:
    """The stored network, run by torch.

    Args:
        network: Restored, in eval mode.
        calibration: Its codecs and exits.
        data: Validation and test samples.

    Attributes:
        raw: Samples (N, ...) as they come, float32; validation first.
        labels: Of all (N,).
        num_validation: How many are of the validation subset.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.dataset import load_data
        >>> sizes = {"train_samples": 99, "validation_samples": 30, "test_samples": 40}
        >>> data = load_data("digits", **sizes, seed=0)
        >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> network = Network(backbone, torch.zeros(1, 1, 8, 8), num_classes=10, exit_features=8).eval()
        >>> reference = Reference(network, uncalibrated(["input"], (8,)), data)
        >>> reference.raw.shape, reference.chosen(20).tolist()[-2:]  # half of them of the test subset
        ((70, 1, 8, 8), [38, 39])
        >>> {name: array.shape for name, array in reference.at(RunPoint.at_output(), slice(0, 3)).items()}
        {'crossing': (3, 10)}
    """

    def __init__(self, network: Network, calibration: Calibration, data: DataSet) -> None:
        self._network, self._calibration = network, calibration
        self._inputs = torch.cat([data.validation.inputs, data.test.inputs])
        self.labels = torch.cat([data.validation.labels, data.test.labels]).numpy()
        self.num_validation = len(data.validation)
        self.raw = data.raw(self._inputs)

    @torch.inference_mode()
    def at(self, point: RunPoint, some: slice) -> dict[str, NDArray[np.float32]]:
        """Crossing tensors, exit logits, and answers of the server to what it receives."""
        inputs = self._inputs[some]
        if point.split_point == OUTPUT:
            return {CROSSING: self._network.features(inputs)[-1].numpy()}
        parts = self._network.parts(self._network.split_point(point.split_point))
        crossing = parts.edge(inputs)
        found = {CROSSING: crossing}
        exit_ = self._network.exit_at(point.split_point)
        if exit_ is not None and point.confidence_threshold is not None:
            found[LOGITS] = exit_(crossing)
            found["confidence"] = self._calibration.confidence(point.split_point, found[LOGITS])
        received = [self._received(sample, point) for sample in crossing]
        found[ANSWER] = parts.server(torch.stack(received))
        return {name: tensor.numpy() for name, tensor in found.items()}

    def _received(self, sample: Tensor, point: RunPoint) -> Tensor:
        codec, shape = self._codec(point), tuple(sample.shape)
        return torch.from_numpy(decode(encode(sample.numpy(), codec), shape, codec).copy())

    def _codec(self, point: RunPoint) -> Codec:
        assert point.payload_bits is not None
        return self._calibration.codecs[point.split_point, point.payload_bits]

    @torch.inference_mode()
    def server(self, point: RunPoint, received: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of the stored server part for one decoded tensor."""
        parts = self._network.parts(self._network.split_point(point.split_point))
        logits: Tensor = parts.server(torch.from_numpy(received.copy()).unsqueeze(0))
        return logits[0].numpy()

    def chosen(self, most: int) -> NDArray[np.int64]:
        """Numbers of at most so many samples, half of them of the test subset where there are enough."""
        test = np.arange(self.num_validation, len(self.labels))[: max(1, most // 2)]
        validation = np.arange(self.num_validation)[: most - len(test)]
        return np.concatenate([validation, test])


def check_equivalence(
    folder: Path, reference: Reference, points: Sequence[RunPoint], samples: int
) -> list[Checked]:
    """Run both halves of a bundle against the stored network.

    Args:
        folder: Of the bundle.
        reference: The stored network.
        points: Those of the bundle, in its order.
        samples: How many are compared at most.

    Raises:
        NotEquivalentError: They differ by more than is allowed; says in what.

    Example:
        >>> check_equivalence(folder, reference, points, samples=200)[0].moved  # doctest: +SKIP
        0
    """
    edge = EdgeParts(load_bundle(folder, "edge"))
    server = ServerParts(load_bundle(folder, "server"))
    return [
        _Comparison(edge, server, reference, number, point).run(reference.chosen(samples))
        for number, point in enumerate(points)
    ]


class _Comparison:
    def __init__(
        self, edge: EdgeParts, server: ServerParts, reference: Reference, number: int, point: RunPoint
    ) -> None:
        self.edge, self.server, self.reference = edge, server, reference
        self.number, self.point = number, point
        self.own: Point = edge.bundle.points[number]
        self.most_steps = 0  # by which a code is off

    def run(self, chosen: NDArray[np.int64]) -> Checked:
        is_test = chosen >= self.reference.num_validation
        checked = Checked(self.own.id, len(chosen), int(is_test.sum()))
        right, stored_right, exited = (np.zeros(len(chosen), dtype=bool) for _ in range(3))
        for place, sample in enumerate(chosen.tolist()):
            stored = {k: v[0] for k, v in self.reference.at(self.point, slice(sample, sample + 1)).items()}
            label = self.reference.labels[sample]
            answer, stored_answer, exited[place] = self._one(checked, self.reference.raw[sample], stored)
            right[place], stored_right[place] = answer == label, stored_answer == label
        if is_test.any():
            low, high = wilson_interval(np.array([stored_right[is_test].sum()]), int(is_test.sum()))
            checked.accuracy = float(right[is_test].mean())
            checked.stored_accuracy = float(stored_right[is_test].mean())
            checked.accuracy_ci95 = (float(low[0]), float(high[0]))
            checked.exit_rate = float(exited[is_test].mean())
        self._judge(checked)
        return checked

    def _one(
        self, checked: Checked, raw: NDArray[np.float32], stored: dict[str, NDArray[np.float32]]
    ) -> tuple[int, int, bool]:
        """Compare one sample; returns the bundle's answer, the stored one, and whether the edge gave it."""
        found = self.edge.run(raw, self.number)
        checked.crossing = max(checked.crossing, _difference(found.crossing, stored[CROSSING]))
        codec, rule = self.own.codec, self.own.exit
        if codec is None:
            return int(found.crossing.argmax()), int(stored[CROSSING].argmax()), True
        exits = stored_exits = False
        if rule is not None:
            assert found.logits is not None
            assert found.confidence is not None
            off = _difference(found.logits, stored[LOGITS])
            checked.exit_logits = max(checked.exit_logits or 0.0, off)
            sure = float(stored["confidence"])
            exits, stored_exits = found.confidence >= rule.threshold, sure >= rule.threshold
            if abs(sure - rule.threshold) <= TOLERANCE:
                checked.near_threshold += 1
                stored_exits = exits
            elif exits != stored_exits:
                raise NotEquivalentError(
                    f"point {self.own.id}: an exit decides otherwise at confidence {sure:.7g}, "
                    f"{found.confidence:.7g} in the bundle, threshold {rule.threshold:.7g}"
                )
        answer = self._served(checked, found.crossing, stored, codec)
        stored_answer = int(stored[ANSWER].argmax())
        if exits:
            assert found.logits is not None
            answer, stored_answer = int(found.logits.argmax()), int(stored[LOGITS].argmax())
        if answer != stored_answer:
            checked.moved += 1
        return answer, stored_answer, exits

    def _served(
        self,
        checked: Checked,
        crossing: NDArray[np.float32],
        stored: dict[str, NDArray[np.float32]],
        codec: Codec,
    ) -> int:
        received = decode(encode(crossing, codec), self.own.crossing_shape, codec)
        logits = self.server.run(received[np.newaxis], self.number)[0]
        off = _difference(logits, self.reference.server(self.point, received))
        checked.server_logits = max(checked.server_logits or 0.0, off)
        if codec.bits <= 8:
            steps = _steps(crossing, stored[CROSSING], codec)
            self.most_steps = max(self.most_steps, int(steps.max(initial=0)))
            checked.codes_off = (checked.codes_off[0] + int(steps.sum()), checked.codes_off[1] + steps.size)
        return int(logits.argmax())

    def _judge(self, checked: Checked) -> None:
        for name in ("crossing", "exit_logits", "server_logits"):
            off = getattr(checked, name)
            if off is not None and not off <= TOLERANCE:
                raise NotEquivalentError(
                    f"point {checked.point_id}: {name} differ by {off:.2g} from those of the stored network, "
                    f"{TOLERANCE:g} at most, over {checked.samples} samples"
                )
        off, codes = checked.codes_off
        if self.most_steps > 1 or off > 1 + MOST_CODES * codes:
            raise NotEquivalentError(
                f"point {checked.point_id}: {off} of {codes} codes differ, by up to {self.most_steps} steps"
            )
        if checked.moved > 1 + MOST_MOVED * checked.samples:
            raise NotEquivalentError(
                f"point {checked.point_id}: {checked.moved} of {checked.samples} answers differ"
            )
        if checked.accuracy is not None and checked.accuracy_ci95 is not None:
            low, high = checked.accuracy_ci95
            if not low <= checked.accuracy <= high:
                raise NotEquivalentError(
                    f"point {checked.point_id}: accuracy on test samples is {checked.accuracy:.4f}, the "
                    f"stored network's interval is {low:.4f} to {high:.4f}"
                )


def _steps(crossing: NDArray[np.float32], stored: NDArray[np.float32], codec: Codec) -> NDArray[np.int64]:
    """By how many steps codes differ; 0 for neighbours of which either is right.

    That is where a value lies half-way between them, as averages of whole numbers often do.
    """
    found, low, step = to_codes(crossing[np.newaxis], codec)
    own, theirs = found.astype(int), to_codes(stored[np.newaxis], codec)[0].astype(int)
    steps = np.abs(own - theirs)
    half_way = low + step * (np.minimum(own, theirs) + 0.5)
    near = np.abs(crossing - half_way) <= TOLERANCE * max(1.0, float(np.abs(crossing).max()))
    return np.asarray(np.where((steps == 1) & near, 0, steps)[0])


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest difference, relative to the largest value where that exceeds 1; infinite where one is NaN."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    off = float(np.abs(found - expected).max(initial=0.0)) / scale
    return off if off == off else float("inf")
