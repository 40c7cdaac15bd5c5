"""Integer execution of a graph; the readable kernels are the specification."""
