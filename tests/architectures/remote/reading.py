"""What gated-ray finds in a tiny checkpoint, in float64, and whether it is what the model computes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from safetensors.torch import load_file
from transformers.activations import ACT2FN

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import find_blocks
from gated_ray.measurement import block_weights, load_blocks
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from tests.architectures.remote.models import D, Key, LiveBlock

COSINE_ERROR = 3e-6
SAME = 1e-12


@dataclass(frozen=True)
class Found:
    """A block's vectors as stored, (neurons, d_model) float64, and its biases by role."""

    block: Block
    gate: torch.Tensor
    w_in: torch.Tensor
    w_out: torch.Tensor
    biases: Mapping[str, torch.Tensor]

    def output(self, h: torch.Tensor) -> torch.Tensor:
        """The sum over neurons of act(w_gate·h) * (w_in·h) * w_out, with the biases on the way."""
        assert self.block.product == "act(gate) * in"
        act = ACT2FN[self.block.activation]
        gate = h @ self.gate.T + self.biases.get("gate", 0.0)
        w_in = h @ self.w_in.T + self.biases.get("in", 0.0)
        return (act(gate) * w_in) @ self.w_out + self.biases.get("out", 0.0)


def read(folder: Path, extra: Path | None = None) -> dict[Key, Found]:
    """The blocks of a checkpoint, by layer, component and expert."""
    checkpoint = open_checkpoint(str(folder))
    blocks = find_blocks(checkpoint, None if extra is None else str(extra))
    tensors = load_file(folder / "model.safetensors")
    found: dict[Key, Found] = {}
    for loaded in load_blocks(open_origin(checkpoint.location), blocks):
        block, weights = loaded.block, block_weights(loaded, torch.device("cpu"))
        assert weights.w_gate is not None
        biases = {
            each.role: tensors[each.record.name].double()[each.first :: each.step][: each.count]
            for each in block.biases
        }
        key = (block.layer, block.component, block.expert)
        assert key not in found
        found[key] = Found(block, weights.w_gate.double(), weights.w_in.double(), weights.w_out.double(), biases)
    return found


def reproduces(found: Found, live: LiveBlock) -> bool:
    """Whether the found vectors give the live block's output for random inputs, small ones and large ones."""
    for scale in (0.1, 1.0, 10.0):
        h = scale * torch.randn(8, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        expected = live.run(h)
        if (found.output(h) - expected).abs().max() > SAME * expected.abs().max():
            return False
    return True


def check_cosines(found: Found, live: LiveBlock, neurons: pa.Table, residual: bool) -> None:
    """That a profile's cosines are those of the found vectors, behind the live block's norms, within 3e-6."""
    layer, component, expert = found.block.layer, found.block.component, found.block.expert
    here = pc.and_(pc.equal(neurons["layer"], layer), pc.equal(neurons["component"], component))
    if expert is not None:
        here = pc.and_(here, pc.equal(neurons["expert"], expert))
    rows = neurons.filter(here).to_pydict()
    assert rows["neuron"] == list(range(len(found.gate)))
    gate = _unit(found.gate * live.gain, live.centred and residual)
    w_in = _unit(found.w_in * live.gain, live.centred)
    out = _unit(found.w_out * (live.write if residual else 1.0), live.centred)
    sign = (gate * w_in).sum(-1).sign()
    expected = {
        "cos_gate_in": sign * (gate * w_in).sum(-1),
        "cos_gate_out": sign * (gate * out).sum(-1),
        "cos_in_out": (w_in * out).sum(-1),
    }
    for column, value in expected.items():
        error = (torch.tensor(rows[column], dtype=torch.float64) - value).abs().max()
        assert error <= COSINE_ERROR, f"{column} of {component} in layer {layer} is off by {error:.2g}"


def _unit(vectors: torch.Tensor, centred: bool) -> torch.Tensor:
    vectors = vectors - vectors.mean(-1, keepdim=True) if centred else vectors
    return torch.nn.functional.normalize(vectors, dim=-1)
