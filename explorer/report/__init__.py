"""Turn a run into one self-contained, interactive HTML page."""
