"""Whether some classes are much rarer than others."""

from explorer.data.dataset import DataSet

IMBALANCE_NOTED = 1.5  # largest by smallest class
IMBALANCED = "classes are imbalanced"


def imbalance_note(data: DataSet) -> str:
    """What a reader should know when classes differ in size by a third or more; else empty.

    Example:
        >>> import torch
        >>> from explorer.data.dataset import Subset
        >>> few = Subset(torch.zeros(4, 2), torch.tensor([0, 0, 0, 1]))
        >>> print(imbalance_note(DataSet("mine", few, few, few, num_classes=2, input_shape=(2,))))
        classes are imbalanced: 1 to 3 training samples per class; always answering one class is right on
        75.0% of the validation subset
    """
    counts = data.class_counts()["train"]
    smallest, largest = min(counts), max(counts)
    if smallest * IMBALANCE_NOTED > largest:
        return ""
    majority = max(data.class_counts()["validation"]) / len(data.validation)
    return (
        f"{IMBALANCED}: {smallest} to {largest} training samples per class; always answering one"
        f" class is right on {majority:.1%} of the validation subset"
    )
