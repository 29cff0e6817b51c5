"""What a network costs: counted MACs and bytes, modelled latency and energy, and what training gives."""
