"""Kubernetes' quantities as numbers."""

import re

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
