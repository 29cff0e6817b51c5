"""Messages between edge and server: Open Inference Protocol over HTTP, and a compact frame."""
