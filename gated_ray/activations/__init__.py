"""Texts to token shards: which documents, in which order, as which tokens. No Ray here."""
