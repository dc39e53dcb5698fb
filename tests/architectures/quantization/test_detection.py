"""What is taken for quantized, and what is refused, from config and headers alone."""

import re
from collections.abc import Mapping
from time import process_time
from typing import Any

import pytest
import torch
from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

from gated_ray.architectures.quantization.detect import FORMATS, stored_tensors
from gated_ray.errors import CheckpointError, GatedRayError, UnsupportedError
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import FileVersion
from tests.architectures.quantization.reading import stored_of
from tests.checkpoints import quantized_by_hand, quantized_by_libraries

Tensors = dict[str, torch.Tensor]

_UP = "model.layers.0.mlp.up_proj"
_PLAIN = {"model.norm.weight": torch.ones(64), "model.rotary.inv_freq": torch.ones(4), "model.ids": torch.arange(4)}
_FP8 = quantized_by_libraries.fp8_settings((8, 16))


def _weight(*shape: int) -> torch.Tensor:
    return torch.randn(*shape or (64, 32), generator=torch.Generator().manual_seed(0))


def _fp8() -> Tensors:
    return quantized_by_libraries.fp8((8, 16))(f"{_UP}.weight", _weight())[0]


def _compressed(name: str) -> tuple[Tensors, dict[str, Any]]:
    scheme = quantized_by_libraries.SCHEMES[name]
    tensors, _ = quantized_by_libraries.compressed(scheme)(f"{_UP}.weight", _weight())
    return tensors, quantized_by_libraries.compressed_settings(scheme)


def _gptq() -> Tensors:
    return quantized_by_hand.gptq(bits=4, group_size=16)(f"{_UP}.weight", _weight())[0]


def _awq() -> Tensors:
    return quantized_by_hand.awq(16)(f"{_UP}.weight", _weight())[0]


_GPTQ = quantized_by_hand.gptq_settings(bits=4, group_size=16)
_AWQ = quantized_by_hand.awq_settings(16)


def _refused(
    tensors: Mapping[str, torch.Tensor], settings: Any, kind: type[GatedRayError], message: str, **config: Any
) -> None:
    with pytest.raises(kind, match=re.escape(message)) as caught:
        stored_of({**_PLAIN, **tensors}, settings, **config)
    assert str(caught.value).startswith("org/name: ")
    assert "\n" not in str(caught.value)


def test_plain_checkpoint_is_itself() -> None:
    tensors = {**_PLAIN, "attn.bias": torch.ones(1, 1, 4, 4, dtype=torch.bool), "logit_scale": torch.ones(())}
    stored = stored_of(tensors, None)
    assert stored.keys() == tensors.keys()
    for name, tensor in stored.items():
        assert (tensor.name, tensor.shape, tensor.codec, tensor.format) == (
            name,
            tuple(tensors[name].shape),
            None,
            None,
        )
        assert tensor.parts["weight"].name == name


def test_a_weight_without_companions_is_plain_whatever_the_config_says() -> None:
    tensors = {**_PLAIN, **_fp8(), "model.layers.0.mlp.gate_proj.weight": _weight()}
    stored = stored_of(tensors, _FP8)
    assert stored[f"{_UP}.weight"].format == "fp8-block"
    assert [name for name, tensor in stored.items() if tensor.codec] == [f"{_UP}.weight"]
    assert stored.keys() == {*_PLAIN, f"{_UP}.weight", "model.layers.0.mlp.gate_proj.weight"}


def test_config_in_the_text_config_or_under_its_old_name() -> None:
    assert stored_of(_fp8(), None, text_config={"quantization_config": _FP8})[f"{_UP}.weight"].codec
    tensors, settings = _compressed("ct-int4-group")
    assert stored_of(tensors, None, compression_config=settings)[f"{_UP}.weight"].codec


def test_tensors_of_activations_are_left_out() -> None:
    beside = {
        f"{_UP}.input_scale": torch.ones(1),
        "a.k_scale": torch.ones(1),
        "e.up_proj_activation_scale": torch.ones(2),
    }
    assert stored_of({**_fp8(), **beside}, _FP8).keys() == {f"{_UP}.weight"}


@pytest.mark.parametrize("method", sorted({*AUTO_QUANTIZER_MAPPING, "modelopt", "exl2", "quip"} - FORMATS.keys()))
def test_other_methods_are_refused_by_name(method: str) -> None:
    if not method.startswith("bitsandbytes_"):
        _refused(
            {}, {"quant_method": method}, UnsupportedError, f"quantized with quant_method {method!r}, not supported"
        )


@pytest.mark.parametrize(
    ("tensors", "name"),
    [
        (_fp8(), f"{_UP}.weight"),
        ({f"{_UP}.weight": _weight().to(torch.int8)}, f"{_UP}.weight"),
        (_gptq(), f"{_UP}.qweight"),
        (_compressed("ct-int4-group")[0], f"{_UP}.weight_scale"),
        (quantized_by_libraries.mxfp4("e.w", _weight(2, 32, 4))[0], "e.w_blocks"),
        (quantized_by_libraries.bitsandbytes_4bit("nf4", nested=False)(f"{_UP}.weight", _weight())[0], f"{_UP}.weight"),
        ({"h.attention": _weight().to(torch.float8_e5m2)}, "h.attention"),
        ({f"{_UP}.weight": _weight(), f"{_UP}.weight_scale": torch.ones(1)}, f"{_UP}.weight_scale"),
    ],
)
def test_quantized_tensors_without_a_config_are_refused(tensors: Tensors, name: str) -> None:
    _refused(tensors, None, UnsupportedError, f"config.json has no quantization_config, but there is tensor {name} ")


_BROKEN: dict[str, tuple[Tensors, Any, type[GatedRayError], str]] = {
    "no method": ({}, {"bits": 4}, UnsupportedError, "a quantization_config without quant_method"),
    "no object": ({}, "fp8", CheckpointError, "quantization_config='fp8'; not an object"),
    "fp8 without scale": (
        {f"{_UP}.weight": _fp8()[f"{_UP}.weight"]},
        _FP8,
        UnsupportedError,
        f"leaves tensor {_UP}.weight (F8_E4M3",
    ),
    "int8 without scale": (
        {f"{_UP}.weight": _weight().to(torch.int8)},
        _FP8,
        UnsupportedError,
        f"leaves tensor {_UP}.weight (I8",
    ),
    "scale without weight": (
        {f"{_UP}.weight_scale_inv": torch.ones(2, 2)},
        _FP8,
        CheckpointError,
        f"lacks {_UP}.weight",
    ),
    "scale beside floats": (
        {f"{_UP}.weight": _weight(), f"{_UP}.weight_scale_inv": torch.ones(8, 2)},
        _FP8,
        UnsupportedError,
        f"{_UP}.weight is stored as F32",
    ),
    "other block size": (
        _fp8(),
        _FP8 | {"weight_block_size": [128, 128]},
        CheckpointError,
        f"{_UP}.weight_scale_inv of shape (8, 2) does not fit {_UP}.weight of shape (64, 32)",
    ),
    "no block size": (_fp8(), {"quant_method": "fp8"}, CheckpointError, "does not fit"),
    "odd block size": (_fp8(), _FP8 | {"weight_block_size": [0]}, CheckpointError, "weight_block_size=[0]"),
    "smaller block in experts": (
        {
            "e.gate_up_proj": _weight(2, 12, 16).to(torch.float8_e4m3fn),
            "e.gate_up_proj_scale_inv": torch.ones(2, 2, 1),
        },
        _FP8,
        UnsupportedError,
        "place in fused experts is not known",
    ),
    "one scale for all experts": (
        {"e.w": _weight(2, 8, 16).to(torch.float8_e4m3fn), "e.w_scale_inv": torch.ones(1)},
        _FP8,
        CheckpointError,
        "e.w_scale_inv of shape (1,) does not fit e.w",
    ),
    "a scale of another method": (
        {f"{_UP}.weight": _weight(), f"{_UP}.weight_scale": torch.ones(1)},
        _FP8,
        UnsupportedError,
        f"leaves tensor {_UP}.weight_scale",
    ),
    "gptq without zeros": (
        {key: value for key, value in _gptq().items() if not key.endswith("qzeros")},
        _GPTQ,
        CheckpointError,
        f"{_UP}.qweight lacks {_UP}.qzeros",
    ),
    "gptq marlin": (_gptq(), _GPTQ | {"checkpoint_format": "marlin"}, UnsupportedError, "in format 'marlin'"),
    "gptq of 3 bits": (
        {
            f"{_UP}.qweight": torch.zeros(3, 32, dtype=torch.int32),
            f"{_UP}.qzeros": torch.zeros(1, 3, dtype=torch.int32),
            f"{_UP}.scales": torch.ones(1, 32),
        },
        {"quant_method": "gptq", "bits": 3, "group_size": 32},
        UnsupportedError,
        "numbers of 3 bits",
    ),
    "gptq of other groups": (_gptq(), _GPTQ | {"group_size": 8}, CheckpointError, "does not fit"),
    "gptq as awq": (_gptq(), _AWQ, CheckpointError, f"group_size=16, which {_UP}.qweight is not made of"),
    "awq as gptq": (_awq(), _GPTQ, CheckpointError, "does not fit"),
    "awq for other kernels": (_awq(), _AWQ | {"version": "gemv"}, UnsupportedError, "in version 'gemv'"),
    "awq without zero points": (_awq(), _AWQ | {"zero_point": False}, UnsupportedError, "zero_point=False"),
    "awq with scaled activations": (
        _awq() | {"model.layers.0.mlp.act.scales": torch.ones(8)},
        _AWQ,
        UnsupportedError,
        "mlp.act.scales scales an activation",
    ),
    "compressed sparse": (
        {},
        _compressed("ct-int4-group")[1] | {"sparsity_config": {"format": "sparse-24-bitmask"}},
        UnsupportedError,
        "stored sparse in format 'sparse-24-bitmask'",
    ),
    "compressed marlin": (
        {},
        {
            "quant_method": "compressed-tensors",
            "format": "marlin-24",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4}}},
        },
        UnsupportedError,
        "in format 'marlin-24'",
    ),
    "compressed transformed": (
        {},
        _compressed("ct-int4-group")[1] | {"transform_config": {"config_groups": {"R1": {}}}},
        UnsupportedError,
        "a transform_config",
    ),
    "compressed of other bits": (
        _compressed("ct-int4-group")[0],
        _compressed("ct-int2-packed")[1],
        CheckpointError,
        "does not fit",
    ),
    "compressed without zero points": (
        _compressed("ct-int4-group")[0],
        _compressed("ct-int4-asymmetric")[1],
        CheckpointError,
        f"lacks {_UP}.weight_zero_point",
    ),
    "compressed fp8 said to be int8": (
        _compressed("ct-fp8-channel")[0],
        _compressed("ct-int8-channel")[1],
        UnsupportedError,
        f"{_UP}.weight is stored as F8_E4M3",
    ),
    "compressed by groups said to be by channels": (
        _compressed("ct-mxfp8")[0] | {f"{_UP}.weight_scale": torch.ones(64, 4)},
        _compressed("ct-fp8-channel")[1],
        CheckpointError,
        "does not fit",
    ),
    "compressed with a target that is no pattern": (
        _compressed("ct-int4-group")[0],
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {"group_0": {"targets": ["re:(up"], "weights": {"num_bits": 4}}},
        },
        CheckpointError,
        "target '(up', which is no pattern",
    ),
    "compressed with weights that are no object": (
        {},
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": "W4"}},
        },
        CheckpointError,
        "weights or targets are not spelled out",
    ),
    "two scales": (
        _fp8() | {f"{_UP}.weight_scale": torch.ones(1)},
        _FP8,
        UnsupportedError,
        f"{_UP}.weight is stored in two ways",
    ),
    "compressed by index without the index": (
        _compressed("ct-int4-group")[0],
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {
                "group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 16, "actorder": "group"}}
            },
        },
        CheckpointError,
        f"lacks {_UP}.weight_g_idx",
    ),
    "bitnet quantized in use": (
        {},
        {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"},
        UnsupportedError,
        "quantization_mode='online'",
    ),
    "int8 without SCB": (
        {f"{_UP}.weight": _weight().to(torch.int8)},
        {"load_in_8bit": True, "quant_method": "bitsandbytes"},
        UnsupportedError,
        f"leaves tensor {_UP}.weight (I8",
    ),
    "blocks without scales": (
        {"e.w_blocks": torch.zeros(1, 2, 3, 16, dtype=torch.uint8)},
        {"quant_method": "mxfp4"},
        CheckpointError,
        "e.w_blocks lacks e.w_scales",
    ),
    "fbgemm of another layout": (
        {"e.w": _weight(2, 8, 4).to(torch.float8_e4m3fn), "e.w_scale": torch.ones(2, 8, 1)},
        {"quant_method": "fbgemm_fp8"},
        CheckpointError,
        "does not fit",
    ),
}


@pytest.mark.parametrize("case", _BROKEN)
def test_what_is_not_understood_is_refused(case: str) -> None:
    _refused(*_BROKEN[case])


def test_two_configs_that_differ_are_refused() -> None:
    _refused({}, _FP8, UnsupportedError, "several quantization configs", text_config={"quantization_config": {"a": 1}})


def test_a_header_of_deepseek_v3_takes_little_time() -> None:
    """58 MoE layers of 256 experts: 45,000 FP8 weights, each with its scale."""
    file = FileVersion("model.safetensors", 0, "")
    tensors = {}
    for layer in range(3, 61):
        for expert in range(256):
            for role in ("gate_proj", "up_proj", "down_proj"):
                name = f"model.layers.{layer}.mlp.experts.{expert}.{role}.weight"
                shape = (7168, 2048) if role == "down_proj" else (2048, 7168)
                tensors[name] = TensorRecord(name, "F8_E4M3", shape, file, 0, 0)
                scale = f"{name}_scale_inv"
                tensors[scale] = TensorRecord(scale, "F32", tuple(size // 128 for size in shape), file, 0, 0)
    begin = process_time()
    stored = stored_tensors({"quantization_config": _FP8 | {"weight_block_size": [128, 128]}}, tensors, "org/name")
    assert process_time() - begin < 5
    assert len(stored) == 58 * 256 * 3
    assert {tensor.format for tensor in stored.values()} == {"fp8-block"}
