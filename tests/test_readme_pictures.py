"""The README's pictures are what the code draws."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.readme_pictures import DOCS, pictures, save


@pytest.mark.slow
def test_the_readmes_pictures_are_what_the_code_draws(tmp_path: Path) -> None:
    drawn = {}
    for name, figure in pictures():
        save(figure, tmp_path / name)
        drawn[name] = np.asarray(Image.open(io.BytesIO((tmp_path / name).read_bytes())).convert("L"), dtype=float)
    for name, pixels in drawn.items():
        stored = np.asarray(Image.open(DOCS / name).convert("L"), dtype=float)
        assert stored.shape == pixels.shape, f"{name}: run python -m tests.readme_pictures"
        assert np.mean(np.abs(stored - pixels)) < 0.5, f"{name}: run python -m tests.readme_pictures"
