"""Whether stated accuracies hold on fresh samples."""
