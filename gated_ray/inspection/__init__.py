"""What is understood of a checkpoint, from its config and headers alone: blocks, what is left out, what a sweep would cost."""
