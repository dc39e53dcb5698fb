"""What the understanding of models rests on, in eight digits: a verdict on a model holds for as long as they are the same."""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from pathlib import Path

import xxhash

from gated_ray.architectures.rules import load_rules
from gated_ray.settings import MEASURE_VERSION
from gated_ray.store.records import FORMAT

_ROOMS = ("gated_ray.architectures", "gated_ray.sources")
"""Where configs, headers and tensors are understood or refused."""
_SUFFIXES = (".py", ".toml")


def rules_digest(extra: str | None) -> str:
    """Eight hex digits over everything that decides how a model is understood, the user's own rules among it.

    The package's version alone would not do: a schedule may run from a branch, where rules change under one version.

    Raises:
        InputError: `extra` cannot be read, or is no file of rules.
    """
    load_rules(extra)
    digest = xxhash.xxh3_64(_of_the_package())
    if extra is not None:
        digest.update(Path(extra).read_bytes())
    return digest.hexdigest()[:8]


@cache
def _of_the_package() -> bytes:
    """Once a process, because a process that stays goes on with the code that it began with, whatever is installed since."""
    digest = xxhash.xxh3_64(f"{version('gated-ray')} {MEASURE_VERSION} {FORMAT}".encode())
    for room in _ROOMS:
        for file in _files(resources.files(room)):
            digest.update(file.read_bytes())
    return digest.digest()


def _files(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name.endswith(_SUFFIXES):
            yield entry
