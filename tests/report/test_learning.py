"""Learning curves as the page reads them."""

from dataclasses import replace

from benchmarks.report_scale.synthetic import make_networks
from explorer.core.learning_curve import LearningCurve
from explorer.report.learning import learning_curves


def test_accuracies_are_whole_numbers_of_right_answers() -> None:
    ((network, _),) = make_networks(5)
    names = [split.name for split in network.splits]
    curve = LearningCurve((2.34567, 1.0), (1, 2), 8, (names[2], names[-1]), ((0.25, 0.5), (0.5, 0.875)))
    known = replace(network, training=replace(network.training, curve=curve))
    unknown = replace(network, training=replace(network.training, curve=LearningCurve()))
    assert learning_curves([known, unknown]) == [
        {
            "losses": [2.35, 1.0],
            "samples": 8,
            "places": [2, len(names) - 1],
            "epochs": [1, 2],
            "right": [[2, 4], [4, 7]],
        },
        None,
    ]
