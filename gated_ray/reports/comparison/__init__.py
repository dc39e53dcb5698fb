"""One table of classes against another: a store's against the published ones, or two of a store against each other."""
