"""What a model's numbers rest on besides its files: the settings, and how its blocks were understood."""

import json
from collections.abc import Iterable
from typing import Any

import xxhash

from gated_ray.architectures.blocks import Block, Factor, Matrix
from gated_ray.architectures.stored import Codec
from gated_ray.settings import ProfileSettings
from gated_ray.store.records import BLOCKS


def model_identity(profile: ProfileSettings, blocks: Iterable[Block]) -> dict[str, Any]:
    """The identity of a model's units and of its publication.

    A rerun measures a model again where a setting changed that shapes the numbers, or where a changed rule now understands
    its blocks in another way.
    """
    return {**profile.identity(), BLOCKS: understanding(blocks)}


def understanding(blocks: Iterable[Block]) -> str:
    """xxh3-128 over what shapes the numbers of these blocks, in any order; the bytes themselves are the revision's matter.

    Raises:
        TypeError: a codec's field that has no canonical form.
    """
    digest = xxhash.xxh3_128()
    for block in sorted(blocks, key=lambda block: (block.layer, block.component, block.expert or 0)):
        digest.update(json.dumps(_block(block), sort_keys=True).encode())
    return digest.hexdigest()


def _block(block: Block) -> list[Any]:
    """Not the activation, the product and the biases, which no cosine depends on."""
    return [
        block.layer,
        block.component,
        block.expert,
        [None if matrix is None else _matrix(matrix) for matrix in (block.gate, block.w_in, block.w_out)],
        block.norm,
        _factor(block.pre_norm),
        [_factor(factor) for factor in block.write],
        _factor(block.inner_norm),
        block.multiplier,
        block.gate_multiplier,
    ]


def _matrix(matrix: Matrix) -> list[Any]:
    stored = {role: [part.name, part.record.dtype, part.shape] for role, part in matrix.slices.items()}
    order = [matrix.neurons_are_rows, matrix.neurons, matrix.first, matrix.step]
    return [matrix.name, matrix.shape, stored, order, _codec(matrix.stored.codec)]


def _codec(codec: Codec | None) -> list[Any] | None:
    return None if codec is None else [type(codec).__name__, vars(codec)]


def _factor(factor: Factor | None) -> list[Any] | None:
    return None if factor is None else [factor.record.name, factor.record.dtype, factor.record.shape, factor.kind]
