"""Conversions for MLX add one to some gains and reorder some tensors, under the same names: not read."""

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from gated_ray.errors import UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.checkpoints.tiny import tiny_checkpoint


@pytest.mark.parametrize(("metadata", "is_read"), [({"format": "pt"}, True), (None, True), ({"format": "mlx"}, False)])
def test_the_format_in_the_header_decides(metadata: dict[str, str] | None, is_read: bool, tmp_path: Path) -> None:
    tiny_checkpoint(tmp_path, "llama")
    path = tmp_path / "model.safetensors"
    save_file(load_file(path), path, metadata=metadata)
    if is_read:
        assert open_checkpoint(str(tmp_path)).tensors
        return
    with pytest.raises(UnsupportedError, match=r"model\.safetensors: converted for MLX"):
        open_checkpoint(str(tmp_path))
