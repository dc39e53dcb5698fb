"""The rules on tensors small enough to work out by hand, and at their edges."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32
from compressed_tensors.entrypoints.convert.converters import AutoAWQConverter

from gated_ray.errors import CheckpointError, UnsupportedError
from tests.architectures.quantization.reading import decode, decoded_of, stored_of
from tests.checkpoints import quantized_by_hand, quantized_by_libraries

_MX = {"quant_method": "mxfp4"}


def _fp8(block: tuple[int, int] | None, **settings: Any) -> dict[str, Any]:
    return {"quant_method": "fp8", "weight_block_size": list(block) if block else None} | settings


def _random_fp8(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(torch.float8_e4m3fn)


def _int32(*words: int) -> torch.Tensor:
    return torch.from_numpy(np.array(words, np.uint32).view(np.int32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e8m0fnu, torch.uint8])
@pytest.mark.parametrize("shape", [(5, 7), (4, 6), (3, 5), (8, 12), (1, 1), (2, 5, 7)])
def test_a_scale_counts_for_its_block_also_at_the_edges(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    high, wide = (4, 3) if len(shape) == 2 else (5, 3)
    weight = _random_fp8(*shape)
    grid = (*shape[:-2], -(-shape[-2] // high), -(-shape[-1] // wide))
    exponents = torch.arange(np.prod(grid)).reshape(grid) % 9
    scale = (exponents + 123).to(dtype) if dtype == torch.uint8 else (2.0 ** (exponents - 4)).to(dtype)
    expected = np.zeros(shape)
    for place in np.ndindex(*shape):
        block = (*place[:-2], place[-2] // high, place[-1] // wide)
        expected[place] = float(weight[place]) * 2.0 ** (int(exponents[block]) - 4)
    tensors = {"m.weight": weight, "m.weight_scale_inv": scale}
    found = decoded_of(tensors, _fp8((high, wide)))["m.weight"]
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected.astype(np.float32))


def test_a_block_scale_of_three_quarters_is_multiplied_by() -> None:
    tensors = {"m.weight": _random_fp8(4, 4), "m.weight_scale_inv": torch.full((2, 2), 0.75)}
    found = decoded_of(tensors, _fp8((2, 2)))["m.weight"]
    assert torch.equal(found, tensors["m.weight"].float() * 0.75)


@pytest.mark.parametrize(
    "names", [("m.weight", "m.scale"), ("m.weight", "m.qscale_weight"), ("e.up_proj", "e.up_proj_scale_inv")]
)
def test_scales_under_other_names(names: tuple[str, str]) -> None:
    tensors = {names[0]: _random_fp8(4, 4), names[1]: torch.full((2, 2), 0.5)}
    found = decoded_of(tensors, _fp8((2, 2)))
    assert torch.equal(found[names[0]], tensors[names[0]].float() * 0.5)
    assert len(found) == 1


@pytest.mark.parametrize("scale", [torch.tensor(0.25), torch.tensor([0.25]), torch.full((4, 1), 0.25)])
def test_one_scale_a_tensor_or_a_row(scale: torch.Tensor) -> None:
    tensors = {"m.weight": _random_fp8(4, 6), "m.weight_scale_inv": scale, "m.activation_scale": torch.tensor(2.0)}
    found = decoded_of(tensors, _fp8(None))
    assert found.keys() == {"m.weight"}
    assert torch.equal(found["m.weight"], tensors["m.weight"].float() * 0.25)


def test_packed_fp4_experts_among_fp8() -> None:
    """DeepSeek-V4: two E2M1 in an int8, one exponent for 32 columns."""
    packed = torch.full((2, 32), 0x21, dtype=torch.int8)
    packed[1, 16:] = -1  # 0xff: twice -6
    scale = torch.tensor([[1.0, 2.0], [1.0, 4.0]]).to(torch.float8_e8m0fnu)
    stored = stored_of({"m.weight": packed, "m.scale": scale}, _fp8((128, 128)))["m.weight"]
    assert stored.shape == (2, 64)
    found = decode(stored, {"m.weight": packed, "m.scale": scale})
    assert found[0, :4].tolist() == [0.5, 1.0, 0.5, 1.0]
    assert found[0, 32:34].tolist() == [1.0, 2.0]
    assert found[1, 62:].tolist() == [-24.0, -24.0]


def test_mxfp4_by_hand() -> None:
    """Low half first, exponent minus 127, and (E, out, in) turned to (E, in, out)."""
    blocks = torch.zeros(1, 2, 1, 16, dtype=torch.uint8)
    blocks[0, 0, 0, 0] = 0x7A  # -1, then 6
    blocks[0, 1, 0, 15] = 0x30  # 0, then 1.5
    scales = torch.tensor([[[128], [126]]], dtype=torch.uint8)
    found = decoded_of({"e.w_blocks": blocks, "e.w_scales": scales}, _MX)["e.w"]
    assert found.shape == (1, 32, 2)
    assert found[0, :2, 0].tolist() == [-2.0, 12.0]
    assert found[0, 31, 1] == 0.75
    assert torch.count_nonzero(found) == 3


def test_a_scale_of_all_ones_is_no_number() -> None:
    blocks, scales = torch.full((1, 1, 1, 16), 0x22, dtype=torch.uint8), torch.tensor([[[255]]], dtype=torch.uint8)
    assert decoded_of({"e.w_blocks": blocks, "e.w_scales": scales}, _MX)["e.w"].isnan().all()


@pytest.mark.parametrize(("form", "zero"), [("gptq", 8), ("gptq_v2", 7)])
def test_gptq_by_hand(form: str, zero: int) -> None:
    """Eight inputs in a word, the first in its lowest bits; v1 stores zero minus one."""
    tensors = {
        "m.qweight": _int32(0x76543210, 0xFEDCBA98).reshape(1, 2).repeat(1, 4),
        "m.qzeros": _int32(0x77777777).reshape(1, 1),
        "m.scales": torch.tensor([[0.5, 2.0] * 4], dtype=torch.float16),
    }
    settings = {"quant_method": "gptq", "bits": 4, "group_size": -1, "checkpoint_format": form}
    found = decoded_of(tensors, settings)["m.weight"]
    assert found.shape == (8, 8)
    assert found[0].tolist() == [0.5 * (q - zero) for q in range(8)]
    assert found[1].tolist() == [2.0 * (q - zero) for q in range(8, 16)]


def test_gptq_v1_with_a_zero_point_of_zero_is_refused() -> None:
    tensors = {
        "m.qweight": torch.zeros(1, 8, dtype=torch.int32),
        "m.qzeros": _int32(0x777777F7).reshape(1, 1),
        "m.scales": torch.ones(1, 8, dtype=torch.float16),
    }
    settings = {"quant_method": "gptq", "bits": 4, "group_size": 8}
    with pytest.raises(UnsupportedError, match=r"m\.weight has a zero point of 0"):
        decoded_of(tensors, settings)
    assert decoded_of(tensors, settings | {"checkpoint_format": "gptq_v2"})["m.weight"][1].tolist() == [-15.0] * 8


def test_gptq_group_without_scale_is_refused() -> None:
    tensors, _ = quantized_by_hand.gptq(bits=4, group_size=8)("m.weight", torch.randn(8, 16))
    tensors["m.g_idx"] = tensors["m.g_idx"] + 1
    with pytest.raises(CheckpointError, match=r"m\.weight: its g_idx"):
        decoded_of(tensors, quantized_by_hand.gptq_settings(bits=4, group_size=8))


def test_gptq_module_with_its_own_bits_and_groups() -> None:
    """gptqmodel's ``dynamic`` overrides show in the shapes."""
    tensors, meant = quantized_by_hand.gptq(bits=8, group_size=8)("m.weight", torch.randn(8, 32))
    settings = quantized_by_hand.gptq_settings(bits=4, group_size=16)
    with pytest.raises(UnsupportedError, match="numbers of 8 bits"):
        decoded_of(tensors, settings)
    assert torch.equal(decoded_of(tensors, settings | {"dynamic": {"m": {"bits": 8}}})["m.weight"], meant)


def test_awq_by_hand() -> None:
    """The numbers of a word, from its lowest bits, are outputs 0 2 4 6 1 3 5 7."""
    tensors = {
        "m.qweight": _int32(*[0x75316420] * 8).reshape(8, 1),
        "m.qzeros": _int32(0x00000001).reshape(1, 1),
        "m.scales": torch.full((1, 8), 0.5, dtype=torch.float16),
    }
    settings = {"quant_method": "awq", "bits": 4, "group_size": 8, "zero_point": True, "version": "GEMM"}
    found = decoded_of(tensors, settings)["m.weight"]
    assert found.shape == (8, 8)
    assert found[:, 0].tolist() == [-0.5, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]


def test_awq_as_compressed_tensors_converts_it() -> None:
    tensors, meant = quantized_by_hand.awq(16)("m.weight", torch.randn(16, 48))
    settings = quantized_by_hand.awq_settings(16)
    converter = AutoAWQConverter.from_autoawq_config(settings)
    converted = converter.process(dict(tensors))
    config = converter.update_config(None)
    assert config is not None
    written = config.model_dump(mode="json")
    assert torch.equal(decoded_of(tensors, settings)["m.weight"], decoded_of(converted, written)["m.weight"])
    assert torch.equal(decoded_of(tensors, settings)["m.weight"], meant)


def test_fbgemm_scales_of_square_experts_count_the_outputs() -> None:
    weight = _random_fp8(2, 4, 4)
    for scale in (torch.arange(1.0, 9).reshape(2, 1, 4), torch.arange(1.0, 9).reshape(2, 4, 1)):
        found = decoded_of({"e.w": weight, "e.w_scale": scale}, {"quant_method": "fbgemm_fp8"})["e.w"]
        assert torch.equal(found, weight.float() * scale.reshape(2, 1, 4))


def test_bitnet_by_hand() -> None:
    """The example of transformers' ``unpack_weights``."""
    packed = torch.tensor([[0b10100001, 0b00011000], [0b10010000, 0b00001010]], dtype=torch.uint8)
    expected = torch.tensor([[0, -1], [-1, 1], [-1, 1], [-1, 1], [1, 0], [0, -1], [1, -1], [1, -1]])
    tensors = {"m.weight": packed, "m.weight_scale": torch.tensor([4.0])}
    found = decoded_of(tensors, {"quant_method": "bitnet"})["m.weight"]
    assert torch.equal(found, expected / 4)
    multiplied = decoded_of(tensors, {"quant_method": "bitnet", "linear_class": "autobitlinear"})["m.weight"]
    assert torch.equal(multiplied, expected * 4.0)


def test_bitsandbytes_weights_stored_as_another_dtype_and_of_odd_count() -> None:
    """``bnb_4bit_quant_storage`` changes the dtype, not the bytes."""
    tensors, meant = quantized_by_libraries.bitsandbytes_4bit("nf4", nested=True)("m.weight", torch.randn(6, 50))
    settings = quantized_by_libraries.bitsandbytes_settings("nf4", nested=True)
    assert torch.equal(decoded_of(tensors, settings)["m.weight"], meant)
    tensors["m.weight"] = tensors["m.weight"].flatten().view(torch.bfloat16)[:, None]
    assert torch.equal(decoded_of(tensors, settings)["m.weight"], meant)


def test_bitsandbytes_shape_of_one_layer_is_checked_in_the_others() -> None:
    quantize = quantized_by_libraries.bitsandbytes_4bit("nf4", nested=False)
    tensors = quantize("layers.0.weight", torch.randn(8, 16))[0] | quantize("layers.1.weight", torch.randn(16, 8))[0]
    stored = stored_of(tensors, quantized_by_libraries.bitsandbytes_settings("nf4", nested=False))
    wrong = "layers.0.weight" if stored["layers.0.weight"].shape == (16, 8) else "layers.1.weight"
    with pytest.raises(CheckpointError, match=rf"{wrong}: its quant_state says shape"):
        decode(stored[wrong], tensors)


@pytest.mark.parametrize("change", [{"nested_blocksize": 512}, {"nested_blocksize": "256"}, {"nested_offset": None}])
def test_bitsandbytes_double_quantization_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    settings = quantized_by_libraries.bitsandbytes_settings("nf4", nested=True)
    tensors, _ = quantized_by_libraries.bitsandbytes_4bit("nf4", nested=True)("m.weight", torch.randn(256, 128))
    key = "m.weight.quant_state.bitsandbytes__nf4"
    state = json.loads(bytes(tensors[key].tolist())) | change
    tensors[key] = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
    with pytest.raises(
        CheckpointError, match=r"m\.weight: its (nested_absmax of shape|quant_state has nested_blocksize)"
    ):
        decoded_of(tensors, settings)


def test_bitsandbytes_int8_in_a_gpu_order_is_refused() -> None:
    tensors, _ = quantized_by_libraries.bitsandbytes_8bit("m.weight", torch.randn(8, 16))
    tensors["m.weight_format"] = torch.tensor(2, dtype=torch.uint8)
    with pytest.raises(UnsupportedError, match=r"m\.weight is in bitsandbytes' weight_format 2"):
        decoded_of(tensors, {"load_in_8bit": True})


def test_compressed_tensors_columns_in_groups_by_index() -> None:
    """``actorder: group`` of releases before its removal: column j has the scale and zero point of group g_idx[j]."""
    scheme = quantized_by_libraries.SCHEMES["ct-int4-asymmetric"]
    tensors, meant = quantized_by_libraries.compressed(scheme)("m.weight", torch.randn(32, 32))
    settings = quantized_by_libraries.compressed_settings(scheme)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    codes = unpack_from_int32(tensors["m.weight_packed"], 4, torch.Size((32, 32)))
    shuffled = tensors | {
        "m.weight_packed": pack_to_int32(codes[:, order].contiguous(), 4),
        "m.weight_g_idx": (torch.arange(32) // 16)[order].to(torch.int32),
    }
    assert torch.equal(decoded_of(shuffled, settings)["m.weight"], meant[:, order])
    unordered = tensors | {"m.weight_g_idx": torch.full((32,), -1, dtype=torch.int32)}
    assert torch.equal(decoded_of(unordered, settings)["m.weight"], meant)


def test_compressed_tensors_filling_that_headers_do_not_show_is_refused() -> None:
    """A width of 30 is stored as one of 32."""
    scheme = quantized_by_libraries.SCHEMES["ct-int8-packed"]
    tensors, _ = quantized_by_libraries.compressed(scheme)("m.weight", torch.randn(32, 30))
    with pytest.raises(UnsupportedError, match=r"m\.weight is packed with filling: \(32, 30\) in \(32, 32\)"):
        decoded_of(tensors, quantized_by_libraries.compressed_settings(scheme))


def test_compressed_tensors_zero_points_that_are_not_packed() -> None:
    """One a byte, in the shape of the scale."""
    scheme = quantized_by_libraries.SCHEMES["ct-int4-asymmetric"]
    tensors, meant = quantized_by_libraries.compressed(scheme)("m.weight", torch.randn(32, 32))
    packed = tensors["m.weight_zero_point"]
    tensors["m.weight_zero_point"] = unpack_from_int32(packed, 4, torch.Size((32, 2)), packed_dim=0).contiguous()
    found = decoded_of(tensors, quantized_by_libraries.compressed_settings(scheme))["m.weight"]
    assert torch.equal(found, meant)


def test_quant_state_that_is_no_json_is_named() -> None:
    tensors, _ = quantized_by_libraries.bitsandbytes_4bit("fp4", nested=False)("m.weight", torch.randn(8, 16))
    tensors["m.weight.quant_state.bitsandbytes__fp4"] = torch.zeros(5, dtype=torch.uint8)
    with pytest.raises(CheckpointError, match="quant_state is not JSON"):
        decoded_of(tensors, {"load_in_4bit": True})
    state = json.dumps({"shape": [8, -1], "blocksize": 64}).encode()
    tensors["m.weight.quant_state.bitsandbytes__fp4"] = torch.tensor(list(state), dtype=torch.uint8)
    with pytest.raises(CheckpointError, match="gives no shape"):
        decoded_of(tensors, {"load_in_4bit": True})
