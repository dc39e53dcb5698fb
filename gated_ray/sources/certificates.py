"""Which certificates to trust."""

import os

from gated_ray import network


def ca_bundle(*first: str) -> str:
    """Path of the certificates to trust; variables in `first` go before those of `network.ca_bundle`.

    Raises:
        InputError: as there.
    """
    return network.ca_bundle(next(filter(None, map(os.environ.get, first)), None))
