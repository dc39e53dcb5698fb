"""Quantized weights back to float32, by the rule that each format documents; what has no rule here is refused by name."""
