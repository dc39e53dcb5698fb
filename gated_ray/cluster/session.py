"""Starting or joining Ray."""

import logging
import os
import secrets
from collections.abc import Callable
from typing import Any

import ray

from gated_ray.errors import InputError

_OBJECT_STORE_BYTES = 128 << 20
"""Nothing large goes through Ray's object store; by default it would take a third of the memory from the workers."""


def ray_address(address: str | None) -> str:
    """Where Ray is: ``local``, ``auto`` or ``host:port``.

    Args:
        address: as in the settings. None and ``auto`` leave it to ``RAY_ADDRESS``, which Ray sets in a submitted job; so one
            command serves a laptop, a cluster and ``ray job submit``.
    """
    if address in (None, "auto"):
        return os.environ.get("RAY_ADDRESS") or address or "local"
    return address


def connect(address: str, say: Callable[[str], None]) -> bool:
    """Start Ray on this machine for ``local``, else join the cluster at `address`; whether it is ours to shut down.

    A Ray that this process already runs is used as it is.

    Args:
        address: of `ray_address`.
        say: tells the user what takes a while.

    Raises:
        InputError: no cluster there, or Ray does not start.
    """
    if ray.is_initialized():
        return False
    is_local = address == "local"
    if is_local:
        say("starting Ray on this machine ...")
        # Else Ray writes a token below the home folder, which then changes how this user's other Ray clients sign in.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES} if is_local else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray raises what it likes: ConnectionError, RuntimeError, its own AuthenticationError
        why = " ".join(str(error).split())[:200]
        if is_local:
            raise InputError(f"Ray does not start on this machine ({why}); see its logs below /tmp/ray") from error
        raise InputError(
            f"cluster.address={address}: no Ray cluster there ({why}); submit the job to one, or use cluster=local"
        ) from error
    return True
