"""Models as tables of names and shapes, written without any library: what a header can say, however absurd.

A tensor's values are drawn from a seed that is its name, so that the same name has the same values in every model.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from tests.checkpoints.raw_safetensors import StoredTensor, pack

D_MODEL, D_MLP, D_EXPERT, EXPERTS, LAYERS = 16, 24, 12, 3, 2
"""No two products or doubles of them agree, so that shapes tell them apart."""

_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I32": 4, "I8": 1, "U8": 1, "F8_E4M3": 1, "F8_E8M0": 1, "BOOL": 1}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class RawModel:
    """config.json, shapes by tensor name, dtypes of those that are not F32, and values of those whose name is no seed."""

    config: Mapping[str, Any]
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """config.json and model.safetensors; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config))
        pack(folder / "model.safetensors", {name: self._tensor(name) for name in self.shapes})
        return folder

    def __getitem__(self, name: str) -> np.ndarray:
        """The values of a tensor, float32 numbers as float64."""
        return self.arrays[name] if name in self.arrays else values(name, self.shapes[name])

    def _tensor(self, name: str) -> StoredTensor:
        shape, dtype = self.shapes[name], self.dtypes.get(name, "F32")
        data = self[name].astype("<f4").tobytes() if dtype == "F32" else bytes(math.prod(shape) * _BYTES[dtype])
        return StoredTensor(dtype, shape, data)


Edit = Callable[[RawModel], RawModel]


def values(name: str, shape: Shape) -> np.ndarray:
    """The float32 values of a tensor of this name, as float64."""
    return np.random.default_rng(crc32(name.encode())).normal(size=shape).astype(np.float32).astype(np.float64)


def edited(model: RawModel, *edits: Edit) -> RawModel:
    for edit in edits:
        model = edit(model)
    return model


def say(**config: Any) -> Edit:
    return lambda model: replace(model, config={**model.config, **config})


def unsay(*keys: str) -> Edit:
    return lambda model: replace(model, config={key: model.config[key] for key in model.config if key not in keys})


def rename(pattern: str, new: str) -> Edit:
    """Substitute in every name; at least one must change."""

    def edit(model: RawModel) -> RawModel:
        names = {name: re.sub(pattern, new, name) for name in model.shapes}
        assert any(old != name for old, name in names.items()), pattern
        return replace(
            model,
            shapes={names[name]: shape for name, shape in model.shapes.items()},
            dtypes={names.get(name, name): dtype for name, dtype in model.dtypes.items()},
        )

    return edit


def drop(pattern: str) -> Edit:
    """Leave out every name that the pattern is found in; at least one must be."""

    def edit(model: RawModel) -> RawModel:
        kept = {name: shape for name, shape in model.shapes.items() if not re.search(pattern, name)}
        assert len(kept) < len(model.shapes), pattern
        return replace(model, shapes=kept)

    return edit


def fill(arrays: Mapping[str, np.ndarray]) -> Edit:
    """Tensors of these values, float32 numbers, by name."""
    return lambda model: replace(
        model,
        shapes={**model.shapes, **{name: array.shape for name, array in arrays.items()}},
        arrays={**model.arrays, **arrays},
    )


def add_tensor(name: str, shape: Shape, dtype: str = "F32") -> Edit:
    return lambda model: replace(
        model,
        shapes={**model.shapes, name: shape},
        dtypes={**model.dtypes, name: dtype} if dtype != "F32" else model.dtypes,
    )


def reshape(pattern: str, shape: Callable[[Shape], Shape]) -> Edit:
    """Another shape for every name that the pattern is found in; at least one must be."""

    def edit(model: RawModel) -> RawModel:
        changed = {name: shape(old) if re.search(pattern, name) else old for name, old in model.shapes.items()}
        assert changed != model.shapes, pattern
        return replace(model, shapes=changed)

    return edit


def store_as(pattern: str, dtype: str) -> Edit:
    """Another dtype for every name that the pattern is found in; at least one must be."""

    def edit(model: RawModel) -> RawModel:
        names = [name for name in model.shapes if re.search(pattern, name)]
        assert names, pattern
        return replace(model, dtypes={**model.dtypes, **dict.fromkeys(names, dtype)})

    return edit


def transposed(shape: Shape) -> Shape:
    """The last two dimensions exchanged."""
    return (*shape[:-2], shape[-1], shape[-2])


def model_of(
    model_type: str | None, layer: Mapping[str, Shape], *, stack: str = "model.layers", **config: Any
) -> RawModel:
    """Embeddings, `LAYERS` equal layers with attention and `layer`, a final norm.

    Args:
        layer: shapes by what follows the layer's number.
        config: beside model_type and the usual sizes.
    """
    attention = {f"self_attn.{name}_proj.weight": (D_MODEL, D_MODEL) for name in "qkvo"}
    shapes: dict[str, Shape] = {"model.embed_tokens.weight": (40, D_MODEL), "model.norm.weight": (D_MODEL,)}
    for number in range(LAYERS):
        shapes |= {f"{stack}.{number}.{name}": shape for name, shape in {**attention, **layer}.items()}
    sizes = {"hidden_size": D_MODEL, "num_hidden_layers": LAYERS, "rms_norm_eps": 1e-6, "hidden_act": "silu"}
    named = {} if model_type is None else {"model_type": model_type}
    return RawModel({**named, **sizes, **config}, shapes)


def norms(*names: str) -> dict[str, Shape]:
    return {f"{name}.weight": (D_MODEL,) for name in names}


def gated(path: str, neurons: int = D_MLP, d_model: int = D_MODEL) -> dict[str, Shape]:
    """gate_proj, up_proj and down_proj of one module."""
    rows, columns = (neurons, d_model), (d_model, neurons)
    return {f"{path}.gate_proj.weight": rows, f"{path}.up_proj.weight": rows, f"{path}.down_proj.weight": columns}


PRE_NORMS = norms("input_layernorm", "post_attention_layernorm")


def llama(model_type: str | None = "llama", **config: Any) -> RawModel:
    return model_of(model_type, {**PRE_NORMS, **gated("mlp")}, intermediate_size=D_MLP, **config)


def moe(model_type: str = "qwen3_moe", *, shared: str = "", **config: Any) -> RawModel:
    """Experts one by one, with a router; where `shared` names a module, with a shared expert too."""
    layer = {**PRE_NORMS, "mlp.gate.weight": (EXPERTS, D_MODEL)}
    for expert in range(EXPERTS):
        layer |= gated(f"mlp.experts.{expert}", D_EXPERT)
    if shared:
        layer |= gated(f"mlp.{shared}", D_EXPERT)
    return model_of(model_type, layer, **{"num_experts": EXPERTS, "moe_intermediate_size": D_EXPERT, **config})


def fused_moe(model_type: str = "qwen3_moe", **config: Any) -> RawModel:
    """All experts in two tensors, (experts, outputs, inputs)."""
    layer = {
        **PRE_NORMS,
        "mlp.gate.weight": (EXPERTS, D_MODEL),
        "mlp.experts.gate_up_proj": (EXPERTS, 2 * D_EXPERT, D_MODEL),
        "mlp.experts.down_proj": (EXPERTS, D_MODEL, D_EXPERT),
    }
    return model_of(model_type, layer, **{"num_experts": EXPERTS, "moe_intermediate_size": D_EXPERT, **config})


def gpt_oss() -> RawModel:
    """Interleaved, (experts, inputs, outputs), with biases."""
    layer = {
        **PRE_NORMS,
        "mlp.router.weight": (EXPERTS, D_MODEL),
        "mlp.router.bias": (EXPERTS,),
        "mlp.experts.gate_up_proj": (EXPERTS, D_MODEL, 2 * D_EXPERT),
        "mlp.experts.gate_up_proj_bias": (EXPERTS, 2 * D_EXPERT),
        "mlp.experts.down_proj": (EXPERTS, D_EXPERT, D_MODEL),
        "mlp.experts.down_proj_bias": (EXPERTS, D_MODEL),
    }
    return model_of("gpt_oss", layer, num_local_experts=EXPERTS, intermediate_size=D_EXPERT, swiglu_limit=7.0)


def phi3(model_type: str = "phi3", **config: Any) -> RawModel:
    """gate and up in one matrix."""
    layer = {**PRE_NORMS, "mlp.gate_up_proj.weight": (2 * D_MLP, D_MODEL), "mlp.down_proj.weight": (D_MODEL, D_MLP)}
    return model_of(model_type, layer, intermediate_size=D_MLP, **config)
