"""Configs that contradict the tensors, or say what no config can."""

import re
from typing import Any

from tests.checkpoints.alien_case import Alien, alien
from tests.checkpoints.raw_models import llama, moe, phi3, rename, say, unsay

_WRONG: dict[str, Any] = {
    "larger": 48,
    "zero": 0,
    "negative": -16,
    "string": "99",
    "float": 99.5,
    "bool": True,
    "huge": 10**30,
    "object": {"value": 16},
}
_KEYS = {
    "hidden_size": llama(),
    "intermediate_size": llama(),
    "num_hidden_layers": llama(),
    "moe_intermediate_size": moe(),
    "num_experts": moe(),
}


def _wrong(key: str, value: Any) -> Alien:
    """The refusal names the key, or says what is counted and how many."""
    counted = {"num_hidden_layers": "layers", "num_experts": "expert"}.get(key)
    says = key if counted is None else rf"{key}|{re.escape(str(value))}\b.*{counted}|{counted}.*{re.escape(str(value))}"
    return alien(_KEYS[key], say(**{key: value}), says=says)


def _nested(**text: Any) -> Alien:
    """A multimodal wrapper whose own sizes are right and whose text_config's are not."""
    inner = {**llama().config, **text}
    return alien(
        llama("llava"),
        rename("^model", "language_model.model"),
        say(text_config=inner),
        says=rf"config\.json says {next(iter(text))}=",
    )


CONFIGS: dict[str, Alien] = {
    **{
        f"{key}_{kind}": _wrong(key, value)
        for key in _KEYS
        for kind, value in _WRONG.items()
        if not (kind == "huge" and key.startswith("num_"))
    },
    "a_hundred_thousand_layers": alien(
        llama(), say(num_hidden_layers=100_000), says=r"num_hidden_layers=100000\b.*layers\.2 is missing"
    ),
    "a_hundred_thousand_experts": alien(moe(), say(num_experts=100_000), says=r"expert 3 of 100000"),
    "intermediate_size_by_layer_and_wrong": alien(
        llama(), say(intermediate_size=[24, 48]), says=r"intermediate_size.*layers\.1\.mlp"
    ),
    "sizes_of_the_text_config": _nested(hidden_size=32),
    "neurons_of_the_text_config": _nested(intermediate_size=32),
    "layers_of_the_text_config": _nested(num_hidden_layers=3),
    "quantization_config_that_is_a_word": alien(
        llama(), say(quantization_config="int4"), says="quantization_config='int4'"
    ),
    "quantization_configs_that_differ": alien(
        llama(),
        say(quantization_config={"quant_method": "awq"}, compression_config={"quant_method": "gptq"}),
        says="quantization configs",
    ),
    "llama_says_gpt2": alien(llama("gpt2"), says=r"'gpt2'.*c_fc\.weight.*mlp\.down_proj\.weight"),
    "llama_says_t5": alien(llama("t5"), says=r"'t5'.*wi_0\.weight"),
    "llama_says_bert": alien(llama("bert"), says=r"'bert'.*intermediate\.dense\.weight"),
    "llama_says_gpt_oss": alien(llama("gpt_oss"), says=r"'gpt_oss'.*gate_up_proj"),
    "llama_says_gemma2": alien(llama("gemma2"), says="lacks pre_feedforward_layernorm"),
    "llama_says_olmo2": alien(llama("olmo2"), says="lacks post_feedforward_layernorm"),
    "llama_says_cohere": alien(llama("cohere"), says="post_attention_layernorm"),
    "llama_says_olmo": alien(llama("olmo"), says="layernorm"),
    "llama_says_bitnet": alien(llama("bitnet"), says=r"lacks mlp\.ffn_sub_norm\.weight"),
    "llama_says_chameleon_with_its_norm_swapped": alien(llama("chameleon"), unsay("rms_norm_eps"), says="swin_norm"),
    "llama_says_nomic_bert": alien(llama("nomic_bert"), says=r"'nomic_bert'.*fc11\.weight"),
    "phi3_says_gte": alien(phi3("gte"), says=r"'gte'.*up_gate_proj\.weight"),
    "phi3_says_zaya": alien(phi3("molmo2"), says=r"'molmo2'.*ff_proj\.weight"),
    "model_type_with_a_line_break": alien(
        llama("tomor\nrow"), rename("gate_proj", "g"), says=r"tomor.*row.*mlp\.g\.weight"
    ),
    "model_type_that_is_no_word": alien(llama(), say(model_type=["llama"]), unsay("rms_norm_eps"), says="model_type"),
}
