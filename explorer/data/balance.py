"""Whether some classes are much rarer than others."""

from explorer.data.dataset import DataSet
from explorer.data.notes import REPEATED, VALIDATION_REPEATED

IMBALANCE_NOTED = 1.5  # largest by smallest class
IMBALANCED = "classes are imbalanced"


def imbalance_note(data: DataSet, quality: str = "accuracy") -> str:
    """What a reader should know when classes differ in size by a third or more; else empty.

    Args:
        data: Its training subset is judged, the share is that of the validation subset.
        quality: What the search counts; where it is plain accuracy another one is recommended.

    Example:
        >>> import torch
        >>> from explorer.data.dataset import Subset
        >>> few = Subset(torch.zeros(4, 2), torch.tensor([0, 0, 0, 1]))
        >>> print(imbalance_note(DataSet("mine", few, few, few, num_classes=2, input_shape=(2,))))
        classes are imbalanced: 1 to 3 training samples per class; 75.0 % of the validation samples are of one
        class (0): an accuracy of 0.750 says nothing; consider quality: balanced_accuracy
    """
    counts = data.class_counts()
    smallest, largest = min(counts["train"]), max(counts["train"])
    if smallest * IMBALANCE_NOTED > largest:
        return ""
    most = max(counts["validation"])
    majority, name = most / len(data.validation), class_labels(data)[counts["validation"].index(most)]
    advice = "; consider quality: balanced_accuracy" if quality == "accuracy" else ""
    return (
        f"{IMBALANCED}: {smallest} to {largest} training samples per class; {100 * majority:.1f} % of the"
        f" validation samples are of one class ({name}): an accuracy of {majority:.3f} says nothing{advice}"
    )


def data_notes(data: DataSet, quality: str = "accuracy") -> list[str]:
    """All that a reader should know of data before anything is trained, a sentence each.

    Example:
        >>> import torch
        >>> from explorer.data.dataset import Subset
        >>> few = Subset(torch.zeros(2, 2), torch.tensor([0, 1]))
        >>> data_notes(DataSet("mine", few, few, few, num_classes=2, input_shape=(2,), notes=("odd",)))
        ['odd']
    """
    return [*data.notes, *absent_notes(data), *filter(None, [imbalance_note(data, quality)])]


def absent_notes(data: DataSet) -> list[str]:
    """Which classes validation or test have no sample of, a sentence each.

    Example:
        >>> import torch
        >>> from explorer.data.dataset import Subset
        >>> both, one = (Subset(torch.zeros(2, 2), torch.tensor(labels)) for labels in ([0, 1], [1, 1]))
        >>> absent_notes(DataSet("mine", both, both, one, num_classes=2, input_shape=(2,)))
        ['test has no sample of the class 0: its accuracy says nothing of it']
    """
    notes = []
    for subset, counts in data.class_counts().items():
        if absent := [name for name, count in zip(class_labels(data), counts, strict=True) if not count]:
            more = f" and {len(absent) - 1} more" if absent[1:] else ""
            notes.append(
                f"{subset} has no sample of the class {absent[0]}{more}: its accuracy says nothing of "
                f"{'them' if more else 'it'}"
            )
    return notes


def is_warning(note: str) -> bool:
    """Whether a note of a run speaks against all its accuracies: it belongs beside them.

    Example:
        >>> is_warning("1 of 3 test samples are in train or validation, too: ..."), is_warning("odd")
        (True, False)
    """
    return note.startswith(IMBALANCED) or REPEATED in note or VALIDATION_REPEATED in note


def class_labels(data: DataSet) -> list[str]:
    """Names of the classes, or their numbers where the source has no names.

    Example:
        >>> import torch
        >>> from explorer.data.dataset import Subset
        >>> few = Subset(torch.zeros(2, 2), torch.tensor([0, 1]))
        >>> class_labels(DataSet("mine", few, few, few, num_classes=2, input_shape=(2,)))
        ['0', '1']
    """
    return list(data.class_names) or [str(label) for label in range(data.num_classes)]
