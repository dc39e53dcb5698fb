"""Activation statistics: texts to token shards, gate and in values of a running model, mergeable statistics. No Ray here."""
