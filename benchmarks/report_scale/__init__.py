"""How large, how quick to build and how quick to use a report is, with 1,000 to 100,000 operating points."""
