"""The scheduled rerun: which models of the Hub are new or changed, and what came of them, pass after pass."""
