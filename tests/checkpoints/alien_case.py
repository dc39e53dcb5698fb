"""One checkpoint that must be refused: how to write it, and what the refusal must say."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.checkpoints.raw_models import Edit, RawModel, edited


@dataclass(frozen=True)
class Alien:
    """How to write such a checkpoint, and what the refusal must say (a regular expression, found anywhere)."""

    build: Callable[[Path], object]
    says: str

    def __call__(self, folder: Path) -> None:
        self.build(folder)


def alien(model: RawModel, *edits: Edit, says: str) -> Alien:
    return Alien(lambda folder: edited(model, *edits).write(folder), says)
