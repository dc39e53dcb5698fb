"""FP8 with one scale a block (``weight_scale_inv``), as DeepSeek-V3 brought it, and its relatives.

Rule: weight * scale, where the scale of block (i, j) of ``weight_block_size`` is entry (i, j) of ``weight_scale_inv``
(DeepSeek-V3 inference/kernel.py, ``weight_dequant``; transformers integrations/finegrained_fp8.py). Packed FP4 experts
(DeepSeek-V4) have one scale for 32 columns. MXFP8 is the same with blocks of (1, 32) and exponents as scales.
"""

from collections.abc import Iterator
from math import prod

from gated_ray.architectures.quantization.evidence import FP8, Quantized
from gated_ray.architectures.quantization.grids import Block, grid_shape
from gated_ray.architectures.quantization.scaled import ScaledWeights
from gated_ray.architectures.stored import StoredTensor
from gated_ray.sources.documents import said
from gated_ray.sources.headers import TensorRecord

_FP4_BLOCK = (1, 32)
_SCALE_DTYPES = ("F32", "F16", "BF16", "F8_E8M0", "U8")


def fp8_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every weight that has a scale."""
    for scale, weight in _scales(checkpoint):
        checkpoint.need_dtype(weight, *FP8, "I8")
        checkpoint.need_dtype(scale, *_SCALE_DTYPES)
        if len(weight.shape) not in (2, 3):
            raise checkpoint.unsupported(f"tensor {weight.name} has shape {weight.shape}; not a matrix or experts")
        parts = {"weight": weight, "scale": scale}
        if weight.dtype == "I8":
            shape = (*weight.shape[:-1], weight.shape[-1] * 2)
            if scale.shape != grid_shape(shape, _FP4_BLOCK):
                raise checkpoint.disagree(weight, scale)
            yield StoredTensor(weight.name, shape, parts, ScaledWeights("fp4-block", _FP4_BLOCK, fp4=True))
        else:
            block = _block(weight, scale, checkpoint)
            kind = "tensor" if block is None else "block"
            yield StoredTensor(weight.name, weight.shape, parts, ScaledWeights(f"{checkpoint.method}-{kind}", block))


def _scales(checkpoint: Quantized) -> Iterator[tuple[TensorRecord, TensorRecord]]:
    """Scales with their weights, under the names that released checkpoints use."""
    tensors = checkpoint.tensors
    for name in checkpoint.stems("_scale_inv"):
        scale = f"{name}_scale_inv"
        yield tensors[scale], checkpoint.need(name, scale)
    for suffix in (".scale", ".qscale_weight", ".weight_scale"):
        for stem in checkpoint.stems(suffix):
            weight = tensors.get(f"{stem}.weight")
            if weight is not None and weight.dtype in (*FP8, "I8"):
                yield tensors[stem + suffix], weight


def _block(weight: TensorRecord, scale: TensorRecord, checkpoint: Quantized) -> Block | None:
    if prod(scale.shape) == 1 and len(weight.shape) == 2:
        return None
    rows, columns = weight.shape[-2:]
    stated = checkpoint.settings.get("weight_block_size")
    match stated:
        case [int(high), int(wide)] if high > 0 and wide > 0:
            block = (high, wide)
        case None:
            block = (1 if scale.shape[-2:] == (rows, 1) else rows, columns)
        case _:
            raise checkpoint.broken(f"quantization_config has weight_block_size={said(stated)}; not two sizes")
    if scale.shape != grid_shape(weight.shape, block):
        raise checkpoint.disagree(weight, scale)
    if len(weight.shape) == 3 and rows % block[0]:
        raise checkpoint.unsupported(
            f"tensor {weight.name} of shape {weight.shape} has a smaller block of rows, whose place in fused experts is not known"
        )
    return block
