"""Quantized weights are decoded to the same values on a GPU: run with ``python -m pytest -m gpu`` where there is one."""

from pathlib import Path

import pytest
import torch

from tests.architectures.quantization.reading import decode, stored_in
from tests.checkpoints.quantized import FORMATS, quantize_checkpoint
from tests.checkpoints.tiny import tiny_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine"),
]


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"mxfp4"}))
def test_decoded_as_on_the_cpu(name: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    tiny_checkpoint(plain, "llama", hidden_size=64, intermediate_size=96, head_dim=32, num_hidden_layers=1)
    quantize_checkpoint(plain, tmp_path / "quantized", name)
    stored, tensors = stored_in(tmp_path / "quantized")
    moved = {key: tensor.cuda() for key, tensor in tensors.items()}
    for tensor in stored.values():
        found = decode(tensor, moved)
        assert found.device.type == "cuda"
        torch.testing.assert_close(found.cpu(), decode(tensor, tensors), rtol=0, atol=0)
