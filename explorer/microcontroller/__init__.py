"""The edge part of a network as C for microcontrollers: float32 or int8, without any library."""
