"""What a search, and what surrounds it, endures: campaigns that count what went wrong."""
