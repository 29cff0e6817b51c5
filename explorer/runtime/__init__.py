"""What runs on edge device and server, copied into every bundle: numpy, ONNX Runtime, standard library.

So nothing here imports any other part of the explorer, and imports of each other are relative.
"""
