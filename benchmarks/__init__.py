"""Commands that check the project's claims; each prints a table and can write JSON."""
