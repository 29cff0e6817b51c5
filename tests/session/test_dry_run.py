"""What is printed of the data before anything is trained."""

import io

import pytest
import torch
from rich.console import Console

from explorer.data.balance import imbalance_note
from explorer.data.dataset import DataSet, Subset
from explorer.session.dry_run import print_data


def data(*per_class: int) -> DataSet:
    labels = torch.repeat_interleave(torch.arange(len(per_class)), torch.tensor(per_class))
    subset = Subset(torch.zeros(len(labels), 3), labels)
    names = tuple(f"[c{number}]" for number in range(len(per_class)))
    return DataSet("folder:own", subset, subset, subset, len(per_class), (3,), class_names=names)


@pytest.mark.parametrize("counts", [(10, 10), (10, 14), (10, 15, 12)])
def test_balanced_enough(counts: tuple[int, ...]) -> None:
    assert (imbalance_note(data(*counts)) == "") == (max(counts) < 15)


def test_imbalance_is_told_with_what_it_means() -> None:
    output = io.StringIO()
    print_data(data(10, 30), Console(file=output, width=200))
    assert output.getvalue() == (
        "data: folder:own, 3, 2 classes ([c0], [c1]); 40 train, 40 validation, 40 test\n"
        "classes are imbalanced: 10 to 30 training samples per class; 75.0 % of the validation samples are "
        "of one class ([c1]): an accuracy of 0.750 says nothing; consider quality: balanced_accuracy\n"
    )


def test_no_other_quality_is_recommended_where_one_is_asked_for() -> None:
    assert "0.750 says nothing" in imbalance_note(data(10, 30), "balanced_accuracy")
    assert "consider" not in imbalance_note(data(10, 30), "weighted_accuracy")
