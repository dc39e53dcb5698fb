"""Whether compiling the statistics is possible here, and worth its while."""

from functools import cache

import torch

_LEAST_VALUES = 2_000_000_000
"""Tokens times neurons of a shard below which compiling (half a minute on a CPU) takes longer than it saves (measured: 0.1 us a
value and core)."""


def can_fuse(device: torch.device, values: int) -> bool:
    """Whether to compile the statistics.

    Args:
        device: that they are computed on.
        values: tokens times neurons that are to be done.
    """
    return values >= _LEAST_VALUES and _compiles(device)


@cache
def _compiles(device: torch.device) -> bool:
    """Whether torch.compile works on this machine: it needs a compiler for C++ on a CPU, Triton on a GPU."""
    try:
        twice = torch.compile(lambda value: (value * 2).sum(), dynamic=True)
        return float(twice(torch.ones(3, device=device))) == 6.0
    except Exception:  # noqa: BLE001 - compilers fail in as many ways as there are machines
        return False
