"""Sound checkpoints to be spoiled: config, and dtype and shape of every tensor. Their bodies are holes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.architectures.remote.models import save
from tests.architectures.remote.test_remote_families import FAMILIES
from tests.checkpoints.deepseek_v3 import CONFIG as DEEPSEEK
from tests.checkpoints.raw_models import (
    RawModel,
    edited,
    fused_moe,
    gpt_oss,
    llama,
    model_of,
    moe,
    phi3,
    rename,
    say,
)
from tests.checkpoints.raw_safetensors import read_raw

Tensors = dict[str, tuple[str, tuple[int, ...]]]
"""Dtype and shape by name."""

BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1}
BYTES |= {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U16": 2, "C64": 8}

_LINEAR = re.compile(r"(.*_proj)\.weight")
_TINY = Path(__file__).parents[1] / "data" / "tiny-docs-llama"


@dataclass(frozen=True)
class Base:
    """One sound checkpoint."""

    config: dict[str, Any]
    tensors: Tensors


def bases() -> list[Base]:
    """Plain ones, quantized ones, nested ones, and one of every family whose code is kept on the Hub."""
    models = [
        llama(),
        llama("tomorrow_lm"),
        moe(),
        moe("deepseek_v3", shared="shared_experts", n_routed_experts=3),
        fused_moe(),
        gpt_oss(),
        phi3(),
        _dbrx(),
        edited(llama("llava"), rename("^model", "language_model.model"), say(text_config=dict(llama().config))),
    ]
    found = [_of_raw(model) for model in models]
    found += [_quantized(_of_raw(llama()), method) for method in _QUANTIZED]
    found.append(Base(DEEPSEEK, _of_raw(moe("deepseek_v3")).tensors))
    with TemporaryDirectory() as scratch:
        for number, family in enumerate(FAMILIES.values()):
            folder = Path(scratch) / str(number)
            save(family, folder)
            found.append(_of_folder(folder))
    found += [_of_folder(path.parent) for path in sorted(_TINY.rglob("config.json"))]
    return found


def _of_raw(model: RawModel) -> Base:
    return Base(
        json.loads(json.dumps(model.config)),
        {name: (model.dtypes.get(name, "F32"), shape) for name, shape in model.shapes.items()},
    )


def _of_folder(folder: Path) -> Base:
    tensors: Tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        header, _ = read_raw(path)
        tensors |= {
            name: (entry["dtype"], tuple(entry["shape"])) for name, entry in header.items() if name != "__metadata__"
        }
    return Base(json.loads((folder / "config.json").read_text()), tensors)


def _dbrx() -> RawModel:
    """Experts stacked along rows, sizes in a nested object."""
    layer = {
        "norm_attn_norm.norm_1.weight": (16,),
        "norm_attn_norm.norm_2.weight": (16,),
        "ffn.router.layer.weight": (3, 16),
        "ffn.experts.mlp.w1": (36, 16),
        "ffn.experts.mlp.v1": (36, 16),
        "ffn.experts.mlp.w2": (36, 16),
    }
    sizes = {"ffn_hidden_size": 12, "moe_num_experts": 3, "ffn_act_fn": {"name": "silu"}}
    return model_of("dbrx", layer, stack="transformer.blocks", n_layers=2, d_model=16, ffn_config=sizes)


_SCHEME = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 8, "symmetric": True}
_QUANTIZED: Mapping[str, dict[str, Any]] = {
    "gptq": {"bits": 4, "group_size": 8, "desc_act": False, "checkpoint_format": "gptq"},
    "awq": {"bits": 4, "group_size": 8, "version": "gemm", "zero_point": True},
    "fp8": {"weight_block_size": [8, 8], "activation_scheme": "dynamic"},
    "compressed-tensors": {
        "format": "pack-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": _SCHEME}},
        "ignore": ["lm_head"],
        "sparsity_config": {"format": "dense"},
        "transform_config": {},
    },
    "bitsandbytes": {"load_in_8bit": True},
    "bitnet": {"linear_class": "bitlinear", "quantization_mode": "offline"},
    "fbgemm_fp8": {"modules_to_not_convert": ["lm_head"]},
}


def _quantized(base: Base, method: str) -> Base:
    tensors: Tensors = {}
    for name, (dtype, shape) in base.tensors.items():
        match = _LINEAR.fullmatch(name)
        tensors |= _parts(method, match[1], *shape) if match else {name: (dtype, shape)}
    return Base({**base.config, "quantization_config": {"quant_method": method, **_QUANTIZED[method]}}, tensors)


def _parts(method: str, stem: str, rows: int, columns: int) -> Tensors:
    groups = columns // 8
    match method:
        case "gptq":
            parts = {"qweight": ("I32", (columns // 8, rows)), "qzeros": ("I32", (groups, rows // 8))}
            parts["scales"] = ("F16", (groups, rows))
        case "awq":
            parts = {"qweight": ("I32", (columns, rows // 8)), "qzeros": ("I32", (groups, rows // 8))}
            parts["scales"] = ("F16", (groups, rows))
        case "fp8":
            grid = (ceil(rows / 8), ceil(columns / 8))
            parts = {"weight": ("F8_E4M3", (rows, columns)), "weight_scale_inv": ("F32", grid)}
        case "compressed-tensors":
            parts = {"weight_packed": ("I32", (rows, groups)), "weight_scale": ("BF16", (rows, groups))}
            parts["weight_shape"] = ("I64", (2,))
        case "bitsandbytes":
            parts = {"weight": ("I8", (rows, columns)), "SCB": ("F32", (rows,))}
        case "bitnet":
            parts = {"weight": ("U8", (rows // 4, columns)), "weight_scale": ("BF16", (1,))}
        case _:
            parts = {"weight": ("F8_E4M3", (rows, columns)), "weight_scale": ("F32", (rows, 1))}
    return {f"{stem}.{part}": each for part, each in parts.items()}


def size_of(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor."""
    return prod(shape) * BYTES.get(dtype, 1)
