"""Kubernetes' quantities as numbers, and how much memory a worker is promised."""

import re

from gated_ray.settings import ClusterSettings

_SUFFIXES = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}


def quantity(text: str) -> float:
    """``500m`` to 0.5, ``8Gi`` to 8589934592."""
    found = re.fullmatch(r"([\d.]+)([A-Za-z]*)", text)
    assert found is not None, text
    return float(found[1]) * _SUFFIXES[found[2]]


def memory_of_the_largest_unit(cluster: ClusterSettings) -> int:
    """Bytes that a worker asks for when its units are as large as they may be, in bfloat16, each of one block."""
    from gated_ray.cluster.work import Need

    return Need(cluster.max_unit_bytes, 2 * cluster.max_unit_bytes).memory
