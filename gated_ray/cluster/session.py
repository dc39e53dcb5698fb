"""Starting or joining Ray."""

import logging
import os
import secrets
import sys

import ray

from gated_ray.errors import InputError

_OBJECT_STORE_BYTES = 128 << 20
"""Nothing large goes through Ray's object store; by default it would take a third of the memory from the workers."""


def connect(address: str) -> bool:
    """Start Ray on this machine for ``local``, else join the cluster at `address`; whether it is ours to shut down.

    A Ray that this process already runs is used as it is.

    Raises:
        InputError: no cluster there.
    """
    if ray.is_initialized():
        return False
    if address == "local":
        print("starting Ray on this machine ...", file=sys.stderr)
        # Else Ray writes a token below the home folder, which then changes how this user's other Ray clients sign in.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
        )
        return True
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise InputError(
            f"cluster.address={address}: no Ray cluster there; submit the job to one, or use cluster=local"
        ) from error
    return True
