"""The canonical sign of every neuron, by the code that the weight sweep has it from."""

from collections.abc import Sequence

import torch

from gated_ray.architectures.blocks import BlockPlace
from gated_ray.measurement import LoadedBlock, block_weights, one_thread, preparation_of
from gated_ray.neurons.geometry import neuron_geometry


def canonical_signs(
    blocks: Sequence[LoadedBlock], weights: str, device: torch.device
) -> dict[BlockPlace, torch.Tensor]:
    """By block: -1 where w_in and w_out are flipped to make cos(w_gate, w_in) >= 0, else 1; (neurons,) int8 on the CPU.

    Args:
        blocks: with their stored tensors.
        weights: how they are prepared: ``paper`` or ``residual``.
        device: to compute on.
    """
    with one_thread():
        return {
            loaded.block.place: neuron_geometry(
                block_weights(loaded, device), preparation_of(loaded, weights, device)
            ).sign.cpu()
            for loaded in blocks
        }
