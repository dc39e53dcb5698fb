"""Quantized copies of small checkpoints, as the real tools write them, by their own code where that runs on a CPU."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.checkpoints import quantized_by_hand as by_hand
from tests.checkpoints import quantized_by_libraries as by_libraries

Tensors = dict[str, torch.Tensor]
Quantizer = Callable[[str, torch.Tensor], tuple[Tensors, torch.Tensor]]
"""Name (of a weight) and float32 values to what is stored for them, and the values that it stands for."""


@dataclass(frozen=True)
class Format:
    """One way to quantize a checkpoint: the weights that `wanted` takes, and the config that says so."""

    quantizer: Quantizer
    settings: Mapping[str, Any]
    wanted: Callable[[str, torch.Tensor], bool]


def _linear(name: str, weight: torch.Tensor) -> bool:
    """The matrices of attention and MLPs, per expert or not; routers, embeddings and heads stay as they are."""
    router = name.endswith(("block_sparse_moe.gate.weight", "mlp.gate.weight", "router.weight"))
    return weight.dim() == 2 and name.endswith(".weight") and ".layers." in name and not router


def _experts(name: str, weight: torch.Tensor) -> bool:
    return weight.dim() == 3


def _linear_or_experts(name: str, weight: torch.Tensor) -> bool:
    return _linear(name, weight) or _experts(name, weight)


FORMATS: dict[str, Format] = {
    "fp8-block": Format(by_libraries.fp8((8, 16)), by_libraries.fp8_settings((8, 16)), _linear_or_experts),
    "fp8-block-ue8m0": Format(
        by_libraries.fp8((8, 16), "ue8m0"), by_libraries.fp8_settings((8, 16), "ue8m0"), _linear_or_experts
    ),
    "fp8-tensor": Format(by_libraries.fp8(None), by_libraries.fp8_settings(None), _linear_or_experts),
    **{
        name: Format(by_libraries.compressed(scheme), by_libraries.compressed_settings(scheme), _linear)
        for name, scheme in by_libraries.SCHEMES.items()
    },
    **{
        f"bitsandbytes-{kind}{suffix}": Format(
            by_libraries.bitsandbytes_4bit(kind, nested=nested),
            by_libraries.bitsandbytes_settings(kind, nested=nested),
            _linear,
        )
        for kind in ("nf4", "fp4")
        for suffix, nested in (("", False), ("-nested", True))
    },
    "bitsandbytes-int8": Format(
        by_libraries.bitsandbytes_8bit, {"quant_method": "bitsandbytes", "load_in_8bit": True}, _linear
    ),
    "bitnet": Format(by_libraries.bitnet("bitlinear"), {"quant_method": "bitnet"}, _linear),
    "autobitnet": Format(
        by_libraries.bitnet("autobitlinear"),
        {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
        _linear,
    ),
    "mxfp4": Format(by_libraries.mxfp4, {"quant_method": "mxfp4", "modules_to_not_convert": []}, _experts),
    "fbgemm-fp8": Format(
        by_hand.fbgemm, {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, _linear_or_experts
    ),
    **{
        name: Format(by_hand.gptq(**options), by_hand.gptq_settings(**options), _linear)
        for name, options in by_hand.GPTQ_OPTIONS.items()
    },
    "awq": Format(by_hand.awq(16), by_hand.awq_settings(16), _linear),
}
"""Every format that is read, by the name of a test. Widths must be multiples of 32."""


def quantize_checkpoint(folder_in: Path, folder_out: Path, name: str) -> Tensors:
    """Write the same model quantized.

    Args:
        folder_in: a plain checkpoint of one shard.
        folder_out: created.
        name: a key of `FORMATS`.

    Returns:
        The values that the stored weights stand for by the format's reference, float32, by name of the unquantized model.
    """
    form = FORMATS[name]
    stored: Tensors = {}
    meant: Tensors = {}
    for key, weight in load_file(folder_in / "model.safetensors").items():
        if form.wanted(key, weight):
            tensors, meant[key] = form.quantizer(key, weight.float())
            stored |= tensors
        else:
            stored[key] = weight
    folder_out.mkdir(parents=True)
    for path in folder_in.iterdir():
        if path.suffix == ".json":
            shutil.copy(path, folder_out)
    config = json.loads((folder_in / "config.json").read_text()) | {"quantization_config": dict(form.settings)}
    (folder_out / "config.json").write_text(json.dumps(config))
    save_file(
        {key: tensor.contiguous() for key, tensor in stored.items()}, folder_out / "model.safetensors", {"format": "pt"}
    )
    return meant
