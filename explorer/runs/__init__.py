"""The run folder: networks, records, operating points, and what a deployment reads from them."""
