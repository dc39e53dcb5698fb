"""Units of work, the worker actor, the driver loop and its progress. The only room that imports ray."""
