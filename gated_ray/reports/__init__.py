"""Tables and figures from the store alone: nothing here reads a checkpoint."""
