"""Which tensors are a neuron's vectors, for every model family: rules as data, and blocks found by them."""
