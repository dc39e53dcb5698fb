"""``python -m tests.checkpoints.demo FOLDER``: the demo's stand-in for a model too large to ship, and texts to read.

A Llama of 16 layers whose class table follows the published one of meta-llama/Llama-3.2-1B, shrunk to 512 neurons a layer.
"""

import sys
import tempfile
from pathlib import Path

from tests.checkpoints.demo_texts import write_texts
from tests.checkpoints.planted import plant_checkpoint, published_table, scaled_table

NAME = "stand-in-llama-3.2-1b"
PUBLISHED = "meta-llama/Llama-3.2-1B"
D_MODEL = 256
D_MLP = 512


def ensure_stand_in(parent: Path) -> Path:
    """Write the stand-in below `parent` unless it is there; a half-written one is never seen under its name."""
    folder = parent / NAME
    if folder.exists():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=parent) as scratch:
        table = scaled_table(published_table(PUBLISHED), D_MLP)
        unfinished = Path(scratch) / NAME
        plant_checkpoint(unfinished, table, d_model=D_MODEL, model_type="llama")
        try:
            unfinished.rename(folder)
        except OSError:
            # Another run finished first: its files are the same.
            if not folder.exists():
                raise
    return folder


if __name__ == "__main__":
    print(ensure_stand_in(Path(sys.argv[1])))
    print(write_texts(Path(sys.argv[1]) / "docs.jsonl"))
