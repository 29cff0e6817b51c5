"""The search: proposals, the archive of operating points, and the ask/tell loop."""
