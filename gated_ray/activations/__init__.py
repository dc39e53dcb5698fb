"""Activation statistics: token shards, capturing gate and in values of a running model, mergeable statistics."""
