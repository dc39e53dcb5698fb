"""Pure functions on tensors: preparing weights, cosines, classes, randomness regions, summaries. No I/O, no Ray."""
