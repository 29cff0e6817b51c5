"""The traced network: dataflow between operators, split points, and the proof that the trace trains alike."""
