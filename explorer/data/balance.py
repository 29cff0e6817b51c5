"""Whether some classes are much rarer than others."""

from explorer.data.dataset import DataSet

IMBALANCE_NOTED = 1.5  # largest by smallest class
IMBALANCED = "classes are imbalanced"


def imbalance_note(data: DataSet) -> str:
    """What a reader should know when classes differ in size by a third or more; else empty."""
    counts = data.class_counts()["train"]
    smallest, largest = min(counts), max(counts)
    if smallest * IMBALANCE_NOTED > largest:
        return ""
    majority = max(data.class_counts()["validation"]) / len(data.validation)
    return (
        f"{IMBALANCED}: {smallest} to {largest} training samples per class; always answering one"
        f" class is right on {majority:.1%} of the validation subset"
    )
