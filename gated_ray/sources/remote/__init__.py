"""Bytes over the network: checked answers, resumed, in parallel, within bounds of time."""
