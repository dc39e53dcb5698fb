"""Inputs of a forward pass on random text, and what some model types want beside it."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from tests.conformance.tiny_sizes import FIRST_SPECIAL_TOKEN

_TOKENS = 7


def tiny_inputs(case: str, model: PreTrainedModel, *, seed: int = 0) -> dict[str, Any]:
    """Keyword arguments of ``model(**inputs)`` on 7 random text tokens: input_ids [1, 7], for seq2seq decoder_input_ids too.

    Args:
        case: a key of CASES outside NO_FORWARD.
        model: `tiny_model` of that case.
        seed: equal seeds give equal inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    tokens = _tokens(_TOKENS, generator)
    inputs: dict[str, Any] = {"input_ids": tokens}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = tokens.flip(1)
    more = _MORE.get(model.config.model_type)
    return inputs if more is None else inputs | more(model, generator)


def as_picture(case: str, inputs: dict[str, Any]) -> dict[str, Any] | None:
    """The same tokens as a picture's, for the one type that has experts of their own for these; None for others."""
    if case != "ernie4_5_vl_moe":
        return None
    return {**inputs, "moe_mm_token_type_ids": torch.ones_like(inputs["input_ids"])}


def _tokens(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randint(3, FIRST_SPECIAL_TOKEN, (1, count), generator=generator)


def _assistant(model: Any, generator: torch.Generator) -> dict[str, Any]:
    """The target model's states: embeddings [1, 7, 2 backbone_hidden_size] and one key-value pair for each kind of layer."""
    config = model.config.get_text_config()
    states = {}
    for index, kind in enumerate(config.layer_types):
        layer = config.per_layer_config[index]
        shape = (1, layer.num_key_value_heads, _TOKENS, layer.head_dim)
        states[kind] = (torch.randn(shape, generator=generator), torch.randn(shape, generator=generator))
    width = 2 * model.config.backbone_hidden_size
    embeddings = torch.randn(1, _TOKENS, width, generator=generator)
    return {"inputs_embeds": embeddings, "shared_kv_states": states, "output_hidden_states": True}


def _diffusion_gemma(model: Any, generator: torch.Generator) -> dict[str, Any]:
    """The canvas, which the model else draws at random by itself."""
    return {"decoder_input_ids": _tokens(model.config.canvas_length, generator)}


def _idefics(model: Any, generator: torch.Generator) -> dict[str, Any]:
    image = torch.randn(1, 1, 3, model.config.vision_config.embed_dim, generator=generator)
    return {"image_encoder_embeddings": image, "image_attention_mask": torch.ones(1, _TOKENS, 1, dtype=torch.long)}


def _kyutai(model: Any, generator: torch.Generator) -> dict[str, Any]:
    """A text token and a token of every codebook at each position."""
    channels = 1 + model.config.num_codebooks
    return {"input_ids": _tokens(_TOKENS * channels, generator).view(1, _TOKENS, channels)}


def _moshi(model: Any, generator: torch.Generator) -> dict[str, Any]:
    """What both speakers say, for the class that has codebooks: audio codes [1, codebooks, 7]."""
    if not hasattr(model, "depth_decoder"):
        return {}
    shape = (1, model.config.num_codebooks, _TOKENS)
    codes = {who: _tokens(shape[1] * shape[2], generator).view(shape) for who in ("user", "moshi")}
    return {f"{who}_audio_codes": values for who, values in codes.items()}


def _mllama(model: Any, generator: torch.Generator) -> dict[str, Any]:
    """Without a picture's states the cross-attention layers would be skipped."""
    width = model.config.text_config.hidden_size
    vision = model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2 + 1
    return {
        "cross_attention_states": torch.randn(1, patches, width, generator=generator),
        "cross_attention_mask": torch.ones(1, _TOKENS, 1, 1),
    }


def _pi0(model: Any, generator: torch.Generator) -> dict[str, Any]:
    """One camera's picture, which the text never mentions, the robot's state, and the noise that it else draws by itself."""
    side = model.config.vlm_config.vision_config.image_size
    return {
        "state": torch.randn(1, model.config.max_state_dim, generator=generator),
        "pixel_values": torch.randn(1, 1, 3, side, side, generator=generator),
        "pixel_attention_mask": torch.ones(1, 1, dtype=torch.bool),
        "noise": torch.randn(1, model.config.chunk_size, model.config.max_action_dim, generator=generator),
        "timestep": torch.full((1,), 0.5),
    }


def _pix2struct(model: Any, generator: torch.Generator) -> dict[str, Any]:
    width = model.config.vision_config.patch_embed_hidden_size
    places = torch.tensor([[1.0, 1.0], [1.0, 2.0]])
    pixels = torch.randn(2, width, generator=generator)
    return {"flattened_patches": torch.cat((places, pixels), 1)[None], "input_ids": None}


def _udop(model: Any, generator: torch.Generator) -> dict[str, Any]:
    return {"bbox": torch.rand(1, _TOKENS, 4, generator=generator).sort(-1).values}


def _voxtral_realtime(model: Any, generator: torch.Generator) -> dict[str, Any]:
    audio = model.config.audio_config
    frames = _TOKENS * model.config.downsample_factor
    return {"encoder_inputs_embeds": torch.randn(1, frames, audio.hidden_size, generator=generator)}


_MORE: dict[str, Callable[[Any, torch.Generator], dict[str, Any]]] = {
    "diffusion_gemma": _diffusion_gemma,
    "gemma4_assistant": _assistant,
    "gemma4_unified_assistant": _assistant,
    "idefics": _idefics,
    "kyutai_speech_to_text": _kyutai,
    "mllama": _mllama,
    "moshi": _moshi,
    "pi0": _pi0,
    "pix2struct": _pix2struct,
    "udop": _udop,
    "voxtral_realtime": _voxtral_realtime,
}
