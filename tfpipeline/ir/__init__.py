"""The trained network as data: integers, scales and layers, on NumPy alone."""
