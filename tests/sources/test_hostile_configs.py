"""Documents that no program writes as config.json or as an index: each is refused in one line that names file and cause."""

import json
from pathlib import Path
from typing import Any

import pytest

from gated_ray.architectures.finding import find_architecture
from gated_ray.errors import InputError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.checkpoints.raw_models import RawModel, edited, fused_moe, gpt_oss, llama, model_of, moe, reshape
from tests.checkpoints.sound import CONFIG, FIRST, GATE, INDEX, LAST, sound_checkpoint
from tests.servers.hub import HubServer

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 651\n"
HTML = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * depth + b"]" * depth + b"}"


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not JSON"),
    "zeros": (bytes(100), "nothing but zeros"),
    "html": (HTML, "HTML page"),
    "lfs_pointer": (POINTER, "Git LFS pointer, not the file: run git lfs pull"),
    "not_utf8": (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
    "utf16": ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
    "byte_order_mark": (b'\xef\xbb\xbf{"a": 1}', "is not JSON"),
    "cut_short": (b'{"model_type": "lla', "is not JSON"),
    "trailing_garbage": (b'{"a": 1} x', "is not JSON"),
    "comment": (b'{"a": 1} // one', "is not JSON"),
    "comma_at_the_end": (b'{"a": 1,}', "is not JSON"),
    "python": (b"{'a': None}", "is not JSON"),
    "array": (b'[{"a": 1}]', "is no JSON object"),
    "string": (b'"llama"', "is no JSON object"),
    "number": (b"17", "is no JSON object"),
    "null": (b"null", "is no JSON object"),
    "nan": (b"NaN", "is no JSON object"),
    "nested_65": (nested(65), "nested deeper than 64 levels under 'a'"),
    "nested_1e5_lists": (b'{"a":' + b"[" * 100_000, "nested deeper than 64 levels"),
    "nested_1e5_objects": (b'{"a":' * 100_000, "nested deeper than 64 levels"),
    "a_number_of_41_digits": (b'{"big": ' + b"9" * 41 + b"}", "says 'big'=999999999..., a number of 41 digits"),
    "a_number_of_5000_digits": (
        b'{"a": {"b": [1, -' + b"9" * 5000 + b"]}}",
        "says 'b'=-99999999..., a number of 5001 digits",
    ),
    "a_key_twice": (b'{"size": 1, "size": 2}', "has 'size' twice"),
    "a_key_twice_within": (b'{"a": {"size": 1, "siz\\u0065": [1]}}', "has 'size' twice"),
    "a_key_twice_true_and_one": (b'{"size": 1, "size": true}', "has 'size' twice"),
    "half_a_surrogate_pair": (b'{"a": "\\ud800"}', r"says 'a'='\ud800', which is no text"),
    "half_a_surrogate_pair_in_a_key": (b'{"\\udfff": 1}', r"has the key '\udfff', which is no text"),
    "escape_for_the_terminal": (b'{"a": ["\\u001b[2J"]}', r"says 'a'='\x1b[2J', which is no text"),
    "nul": (b'{"a": "b\\u0000c"}', r"says 'a'='b\x00c', which is no text"),
    "line_break_in_a_string": (b'{"a": "b\nc"}', "is not JSON"),
}
"""Of either file."""

INDEXES: dict[str, tuple[Any, str]] = {
    "no_map": ({"metadata": {}}, "no weight_map"),
    "empty_map": ({"weight_map": {}}, "no weight_map"),
    "map_is_a_list": ({"weight_map": [[GATE, FIRST]]}, "no weight_map"),
    "shard_is_a_number": ({"weight_map": {GATE: 1}}, f"{GATE!r} in 1"),
    "shard_is_null": ({"weight_map": {GATE: None}}, f"{GATE!r} in None"),
    "shard_is_a_list": ({"weight_map": {GATE: [FIRST]}}, f"{GATE!r} in ['{FIRST}']"),
    "shard_is_an_object": ({"weight_map": {GATE: {"file": FIRST}}}, f"{GATE!r} in {{'file'"),
    "no_name": ({"weight_map": {GATE: ""}}, "names the shard ''"),
    "the_parent": ({"weight_map": {GATE: ".."}}, "names the shard '..'"),
    "in_the_parent": ({"weight_map": {GATE: f"../{FIRST}"}}, f"names the shard '../{FIRST}'"),
    "in_itself": ({"weight_map": {GATE: f"./{FIRST}"}}, f"names the shard './{FIRST}'"),
    "absolute": ({"weight_map": {GATE: "/etc/passwd.safetensors"}}, "names the shard '/etc/passwd.safetensors'"),
    "in_a_subfolder": ({"weight_map": {GATE: f"a/{FIRST}"}}, f"names the shard 'a/{FIRST}'"),
    "backslash": ({"weight_map": {GATE: f"..\\{FIRST}"}}, r"names the shard '..\\"),
    "drive": ({"weight_map": {GATE: f"C:{FIRST}"}}, "names the shard 'C:"),
    "url": ({"weight_map": {GATE: f"https://evil.example/{FIRST}"}}, "names the shard 'https:"),
    "percent_escapes": ({"weight_map": {GATE: "%2e%2e%2fa.safetensors"}}, "which is missing"),
    "line_break": ({"weight_map": {GATE: "a\n.safetensors"}}, r"names the shard 'a\n.safetensors'"),
    "right_to_left": ({"weight_map": {GATE: "a\u202e.safetensors"}}, r"names the shard 'a\u202e.safetensors'"),
    "long_name": ({"weight_map": {GATE: "x" * 5000 + ".safetensors"}}, "names the shard 'xxx"),
    "pickle": ({"weight_map": {GATE: "pytorch_model.bin"}}, "names the shard 'pytorch_model.bin'"),
    "missing": ({"weight_map": {GATE: "model-3.safetensors"}}, "names the shard model-3.safetensors, which is missing"),
    "tensor_with_a_line_break": ({"weight_map": {"a\nb": FIRST}}, r"the tensor 'a\nb'"),
    "tensor_with_a_long_name": ({"weight_map": {"x" * 501: FIRST}}, "the tensor 'xxx"),
    "tensor_that_no_shard_has": (
        {"weight_map": {"x.weight": FIRST, GATE: FIRST}},
        f"x.weight in {FIRST}, whose header",
    ),
    "tensor_elsewhere": ({"weight_map": {GATE: LAST, "x": FIRST}}, f"{GATE} in {LAST}, whose header"),
    "too_many_shards": ({"weight_map": {f"{n}": f"{n}.safetensors" for n in range(10_001)}}, "names 10001 shards"),
}

_HUGE = 10**39
DBRX = model_of(
    "dbrx",
    {
        "norm_attn_norm.norm_2.weight": (16,),
        "ffn.router.layer.weight": (3, 16),
        **{f"ffn.experts.mlp.{name}": (36, 16) for name in ("w1", "v1", "w2")},
    },
    stack="transformer.blocks",
    n_layers=2,
    d_model=16,
)
"""Experts stacked along rows."""

CONFIGS: dict[str, tuple[RawModel, dict[str, Any], str]] = {
    "size_huge": (llama(), {"hidden_size": _HUGE}, "hidden_size=1000000000"),
    "size_nan": (llama(), {"hidden_size": float("nan")}, "hidden_size=nan, which is no whole number"),
    "size_infinite": (llama(), {"intermediate_size": float("inf")}, "intermediate_size=inf, which is no whole number"),
    "size_1e300": (llama(), {"intermediate_size": 1e300}, "intermediate_size=1000000000"),
    "size_half": (llama(), {"hidden_size": 16.5}, "hidden_size=16.5, which is no whole number"),
    "size_string": (llama(), {"hidden_size": "16"}, "hidden_size='16', which is no whole number"),
    "size_string_long": (llama(), {"hidden_size": "1" * 100_000}, "hidden_size='1111"),
    "size_bool": (llama(), {"hidden_size": True}, "hidden_size=True, which is no whole number"),
    "size_false": (llama(), {"hidden_size": False}, "hidden_size=False, which is no whole number"),
    "size_object": (llama(), {"hidden_size": {"a": 16}}, "hidden_size={'a': 16}, which is no whole number"),
    "size_negative": (llama(), {"hidden_size": -16}, "hidden_size=-16, which is less than nothing"),
    "layers_negative": (llama(), {"num_hidden_layers": -2}, "num_hidden_layers=-2, which is less than nothing"),
    "layers_zero": (llama(), {"num_hidden_layers": 0}, "num_hidden_layers=0"),
    "layers_infinite": (llama(), {"num_hidden_layers": float("inf")}, "num_hidden_layers=inf"),
    "layers_huge": (llama(), {"num_hidden_layers": _HUGE}, "layers.2 is missing"),
    "more_layers_than_none": (llama(), {"num_nextn_predict_layers": -1}, "num_nextn_predict_layers=-1"),
    "experts_negative": (moe(), {"num_experts": -3}, "num_experts=-3, which is less than nothing"),
    "experts_string": (moe(), {"num_experts": "3"}, "num_experts='3', which is no whole number"),
    "experts_nan": (moe(), {"num_experts": float("nan")}, "num_experts=nan, which is no whole number"),
    "experts_huge": (moe(), {"num_experts": _HUGE}, "expert 3 of 1000000000"),
    "factor_nan": (llama("granite"), {"residual_multiplier": float("nan")}, "residual_multiplier=nan"),
    "factor_infinite": (llama("granite"), {"residual_multiplier": float("inf")}, "residual_multiplier=inf"),
    "factor_string": (llama("granite"), {"residual_multiplier": "1"}, "residual_multiplier='1'"),
    "factor_negative": (llama("granite"), {"residual_multiplier": -1.0}, "residual_multiplier=-1.0"),
    "limit_list": (gpt_oss(), {"swiglu_limit": [7.0]}, "swiglu_limit=[7.0]"),
    "limit_string": (gpt_oss(), {"swiglu_limit": "seven"}, "swiglu_limit='seven'"),
    "quantization_word": (llama(), {"quantization_config": "int4"}, "quantization_config='int4'"),
    "quantization_list": (llama(), {"quantization_config": ["gptq"]}, "quantization_config=['gptq']"),
    "quantization_number": (llama(), {"quantization_config": 4}, "quantization_config=4"),
    "quantization_true": (llama(), {"quantization_config": True}, "quantization_config=True"),
    "quantization_nothing": (llama(), {"quantization_config": {"bits": 4}}, "without quant_method"),
    "quantization_method_list": (llama(), {"quantization_config": {"quant_method": ["gptq"]}}, "gptq"),
    "quantization_of_no_groups": (
        llama(),
        {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": [1]}},
        "no config_groups",
    ),
    **{
        f"experts_of_{value}_rows": (
            DBRX,
            {"ffn_config": {"ffn_hidden_size": value, "moe_num_experts": 3}},
            f"experts of {value} neurons (config.json) do not fill",
        )
        for value in (0, -12)
    },
    **{
        f"limit_{value}": (gpt_oss(), {"swiglu_limit": value}, f"swiglu_limit={value!r}")
        for value in (float("nan"), float("inf"), True, "7.0")
    },
    **{
        f"{key}_of_{method}_{type(value).__name__}": (
            llama(),
            {"quantization_config": {"quant_method": method, key: value}},
            f"{key}={value!r}",
        )
        for method, key, value in (
            ("bitnet", "linear_class", ["bitlinear"]),
            ("bitnet", "linear_class", {"a": 1}),
            ("compressed-tensors", "sparsity_config", ["dense"]),
            ("compressed-tensors", "transform_config", "none"),
            (["gptq"], "quant_method", ["gptq"]),
        )
    },
    "model_type_without_end": (llama("x" * 100_000), {"rms_norm_eps": None}, "model_type 'xxxx"),
}

HARMLESS: dict[str, dict[str, Any]] = {
    "infinity_where_released_models_have_it": {"time_step_limit": [0.0, float("inf")]},
    "large_where_tokenizers_have_it": {"model_max_length": int(1e30)},
    "text_config_that_is_none": {"text_config": True},
    "text_config_of_a_list": {"text_config": ["llama"]},
    "architectures_that_are_no_list": {"architectures": {"a": 1}},
    "architectures_of_numbers": {"architectures": [7]},
    "encoder_decoder_in_words": {"is_encoder_decoder": "no"},
    "activation_that_is_no_word": {"hidden_act": ["silu"]},
    "nested_60": {"note": json.loads(nested(60))},
    "line_breaks": {"note": "a\n\tb\r\n"},
}


def refused(ref: str, start: str, words: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_architecture(open_checkpoint(ref))
    message = str(refusal.value)
    assert message.startswith(f"{ref}: {start}"), message
    assert message.isprintable(), message
    assert len(message) < 1000
    assert words in message


def test_there_are_thirty_of_each() -> None:
    assert len(DOCUMENTS) + len(CONFIGS) >= 30
    assert len(DOCUMENTS) + len(INDEXES) >= 30


@pytest.mark.parametrize("file", [CONFIG, INDEX])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_is_none(tmp_path: Path, name: str, file: str) -> None:
    content, words = DOCUMENTS[name]
    folder = sound_checkpoint(tmp_path / "m")
    (folder / file).write_bytes(content)
    refused(str(folder), f"{file} ", words)


@pytest.mark.parametrize("name", INDEXES)
def test_an_index(tmp_path: Path, name: str) -> None:
    index, words = INDEXES[name]
    folder = sound_checkpoint(tmp_path / "m")
    (folder / INDEX).write_text(json.dumps(index))
    refused(str(folder), "", words)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config(tmp_path: Path, name: str) -> None:
    model, said, words = CONFIGS[name]
    folder = model.write(tmp_path / "m")
    (folder / CONFIG).write_text(json.dumps({**model.config, **said}))
    refused(str(folder), "", words)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_config_that_is_odd_where_nobody_looks(tmp_path: Path, name: str) -> None:
    folder = llama().write(tmp_path / "m")
    (folder / CONFIG).write_text(json.dumps({**llama().config, **HARMLESS[name]}))
    assert len(find_architecture(open_checkpoint(str(folder))).blocks) == 2


def test_a_key_twice_with_one_value(tmp_path: Path) -> None:
    folder = llama().write(tmp_path / "m")
    text = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(text[:-1] + ', "rms_norm_eps": 1e-06, "n": NaN, "n": NaN}')
    assert open_checkpoint(str(folder)).config["rms_norm_eps"] == 1e-6


@pytest.mark.parametrize("name", ["html", "lfs_pointer", "nested_1e5_lists", "a_number_of_5000_digits"])
@pytest.mark.parametrize("file", [CONFIG, INDEX])
def test_on_the_hub(hub: HubServer, tmp_path: Path, name: str, file: str) -> None:
    content, words = DOCUMENTS[name]
    folder = sound_checkpoint(tmp_path / "m")
    (folder / file).write_bytes(content)
    hub.add_repo("org/hostile", folder)
    refused("org/hostile", f"{file} ", words)


def test_tensors_that_the_index_does_not_name_are_the_checkpoints_too(tmp_path: Path) -> None:
    """As in transformers, which loads the shards of the index whole."""
    folder = sound_checkpoint(tmp_path / "m")
    index = json.loads((folder / INDEX).read_text())
    del index["weight_map"][GATE]
    (folder / INDEX).write_text(json.dumps(index))
    assert GATE in open_checkpoint(str(folder)).tensors


def test_more_values_than_any_config_has(tmp_path: Path) -> None:
    folder = sound_checkpoint(tmp_path / "m")
    (folder / CONFIG).write_text('{"a": [' + "0," * 300_000 + "0]}")
    refused(str(folder), CONFIG, "over the limit of 300000")


def test_experts_in_numbers_that_only_a_header_has(tmp_path: Path) -> None:
    """Each would make a block, whatever the file's true size."""
    model = edited(fused_moe(num_experts=10_001), reshape(r"experts\.", lambda shape: (10_001, *shape[1:])))
    refused(str(model.write(tmp_path / "m")), "", "has 10001 experts, over the limit of 10000")
