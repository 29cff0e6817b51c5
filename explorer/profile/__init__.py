"""What an operating point costs: compute, memory, payload, time and energy."""
