"""One command a file: compose the config, validate, one call, exit code."""
