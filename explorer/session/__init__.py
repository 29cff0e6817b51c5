"""One search session, from files to files: prepare, run, measure, write."""
