"""What the proof of a bundle lets pass: neighbouring codes of a value that lies half-way between them."""

import numpy as np

from explorer.deploy.equivalence import _steps
from explorer.runtime.codec import Codec


def test_codes_on_either_side_of_a_half_way_value_are_both_right() -> None:
    ends, codec = [0.0, 1.0], Codec(8)
    half_way, inside = 100.5 / 255, 100.3 / 255

    def steps(own: float, theirs: float) -> list[int]:
        one, other = (np.array([*ends, value], np.float32) for value in (own, theirs))
        found: list[int] = _steps(one, other, codec).tolist()
        return found

    assert steps(half_way - 1e-7, half_way + 1e-7) == [0, 0, 0]  # codes 100 and 101
    assert steps(inside, inside) == [0, 0, 0]
    assert steps(inside, inside + 1 / 255) == [0, 0, 1]  # no value lies half-way
    assert steps(inside, inside + 2 / 255) == [0, 0, 2]
