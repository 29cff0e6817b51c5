"""From a picked operating point to files that two machines run, and the proof that these are alike."""
