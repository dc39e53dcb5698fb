"""Many checkpoints in little time and space: what a sweep of thousands of units is made of, where the numbers do not matter."""

import json
import math
from pathlib import Path

import numpy as np

from tests.checkpoints.raw_safetensors import Header, write_raw

LAYERS = 50
D_MODEL, D_MLP = 8, 4
_HEADS, _VOCABULARY = 2, 4

_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "hidden_size": D_MODEL,
    "intermediate_size": D_MLP,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": 1,
    "vocab_size": _VOCABULARY,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}


def trivial_checkpoints(parent: Path, count: int, layers: int = LAYERS) -> list[Path]:
    """Llamas of 4 neurons a layer, named ``model-00000`` and so on, of equal shapes and different random numbers."""
    header, size = _header(layers)
    config = json.dumps({**_CONFIG, "num_hidden_layers": layers})
    folders = [parent / f"model-{number:05d}" for number in range(count)]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(config)
        numbers = np.random.default_rng(number).standard_normal(size // 4, dtype=np.float32)
        write_raw(folder / "model.safetensors", header, numbers.tobytes())
    return folders


def _header(layers: int) -> tuple[Header, int]:
    """The header that `save_pretrained` would write, and the bytes of data that it speaks of."""
    head = D_MODEL // _HEADS
    of_layer = {
        "input_layernorm": [D_MODEL],
        "mlp.down_proj": [D_MODEL, D_MLP],
        "mlp.gate_proj": [D_MLP, D_MODEL],
        "mlp.up_proj": [D_MLP, D_MODEL],
        "post_attention_layernorm": [D_MODEL],
        "self_attn.k_proj": [head, D_MODEL],
        "self_attn.o_proj": [D_MODEL, D_MODEL],
        "self_attn.q_proj": [D_MODEL, D_MODEL],
        "self_attn.v_proj": [head, D_MODEL],
    }
    shapes = {"lm_head": [_VOCABULARY, D_MODEL], "model.embed_tokens": [_VOCABULARY, D_MODEL], "model.norm": [D_MODEL]}
    shapes |= {f"model.layers.{layer}.{part}": shape for layer in range(layers) for part, shape in of_layer.items()}
    header: Header = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in sorted((f"{name}.weight", shape) for name, shape in shapes.items()):
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end := end + 4 * math.prod(shape)]}
    return header, end
