"""Tiny models of families whose code is kept on the Hub: their blocks as the sources describe them, with random weights.

Weights have the names and shapes of the Hub; what a block computes is written out here in float64, from the formula of
its family, so that vectors found by name can be held against it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch.nn.functional import linear, silu

D, F, EXPERT, SHARED = 16, 20, 12, 28
"""d_model and widths, of which no two, doubled or trebled, are the same."""

Activation = Callable[[torch.Tensor], torch.Tensor]
Run = Callable[[torch.Tensor], torch.Tensor]
Weights = Callable[..., torch.Tensor]
"""Makes a random tensor: its name, relative to the block's module, and its shape."""
Formula = Callable[[Weights, int, int], Run]
"""From weights, width and number (of an expert) of a block to what it computes of its input (tokens, d_model)."""
Key = tuple[int, str, int | None]
"""Layer, component, expert."""


@dataclass(frozen=True)
class Norm:
    """The norm before a block, or after it: name of its gain, kind, and what is added to the gain."""

    name: str
    kind: Literal["rms", "layer", "layer with bias", "none"] = "rms"
    offset: float = 0.0


@dataclass(frozen=True)
class Mlp:
    """The MLPs of one component in some layers: one, or as many as `experts`. `path` ends with a dot, ``{e}`` is the expert."""

    path: str
    formula: Formula
    component: str = "mlp"
    experts: int = 0
    width: int | tuple[int, ...] = F
    layers: tuple[int, ...] = (0, 1)
    norm: Norm | None = None


@dataclass(frozen=True)
class Family:
    """A tiny model: config.json, the stack of layers, and what a layer holds.

    Attributes:
        others: further tensors of each layer by name, with their shapes; names that begin with / are the checkpoint's own.
        post: norm of the block's output.
        multiplier: constant factor of the block's output.
    """

    config: Mapping[str, Any]
    stack: str
    mlps: tuple[Mlp, ...]
    norm: Norm
    others: Mapping[str, tuple[int, ...]]
    post: str | None = None
    multiplier: float = 1.0


@dataclass
class LiveBlock:
    """One block as it computes.

    Attributes:
        run: from what the norm gives to the block's output, (tokens, d_model) float64.
        gain: (d_model,) of the norm before; ones without.
        centred: whether that norm is a LayerNorm.
        write: (d_model,) what the norm after multiplies by; ones without.
    """

    run: Run
    gain: torch.Tensor
    centred: bool
    write: torch.Tensor


@dataclass
class _Builder:
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(7))

    def weight(self, name: str, *shape: int) -> torch.Tensor:
        if name not in self.tensors:
            self.tensors[name] = torch.randn(*shape, generator=self.generator)
        return self.tensors[name].double()

    def norm(self, prefix: str, norm: Norm) -> torch.Tensor:
        if norm.kind == "layer with bias":
            self.weight(prefix + norm.name.replace("weight", "bias"), D)
        if not norm.name:
            return torch.ones(D, dtype=torch.float64)
        return self.weight(prefix + norm.name, D) + norm.offset


def save(family: Family, folder: Path) -> dict[Key, LiveBlock]:
    """Write the model's checkpoint; returns its blocks."""
    builder, blocks = _Builder(), {}
    count = 1 + max(layer for mlp in family.mlps for layer in mlp.layers)
    for layer in range(count):
        prefix = f"{family.stack}.{layer}."
        for name, shape in family.others.items():
            builder.weight(name[1:] if name.startswith("/") else prefix + name, *shape)
        for mlp in family.mlps:
            if layer in mlp.layers:
                blocks |= _blocks(builder, family, mlp, layer, prefix)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(builder.tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(family.config))
    return blocks


def _blocks(builder: _Builder, family: Family, mlp: Mlp, layer: int, prefix: str) -> dict[Key, LiveBlock]:
    norm = mlp.norm or family.norm
    gain = builder.norm(prefix, norm)
    write = builder.weight(prefix + family.post, D) if family.post else torch.ones(D, dtype=torch.float64)
    width = mlp.width if isinstance(mlp.width, int) else mlp.width[layer]
    found = {}
    for expert in range(mlp.experts) if mlp.experts else [None]:
        path = prefix + mlp.path.format(e=expert)

        def weights(name: str, *shape: int, path: str = path) -> torch.Tensor:
            return builder.weight(path + name, *shape)

        run = mlp.formula(weights, width, expert or 0)
        found[layer, mlp.component, expert] = LiveBlock(run, gain, norm.kind.startswith("layer"), write)
    return found


def separate(
    activated: str, other: str, out: str, act: Activation = silu, out_bias: bool = False, bias: bool = False
) -> Formula:
    """out(act(activated(h)) * other(h)), three torch.nn.Linear."""

    def formula(weights: Weights, width: int, _: int) -> Run:
        a, b = weights(f"{activated}.weight", width, D), weights(f"{other}.weight", width, D)
        w_out = weights(f"{out}.weight", D, width)
        b_a = weights(f"{activated}.bias", width) if bias else None
        b_b = weights(f"{other}.bias", width) if bias else None
        b_out = weights(f"{out}.bias", D) if out_bias or bias else None
        return lambda h: linear(act(linear(h, a, b_a)) * linear(h, b, b_b), w_out, b_out)

    return formula


def halves(fused: str, out: str, activated: int, act: Activation = silu, out_bias: bool = False) -> Formula:
    """The halves of one torch.nn.Linear's outputs, the first (0) or the second (1) of them activated."""

    def formula(weights: Weights, width: int, _: int) -> Run:
        both, w_out = weights(f"{fused}.weight", 2 * width, D), weights(f"{out}.weight", D, width)
        b_out = weights(f"{out}.bias", D) if out_bias else None

        def run(h: torch.Tensor) -> torch.Tensor:
            parts = linear(h, both).chunk(2, -1)
            return linear(act(parts[activated]) * parts[1 - activated], w_out, b_out)

        return run

    return formula


def conv1d(activated: str, other: str, out: str) -> Formula:
    """As `separate`, of GPT-2's Conv1D: (inputs, outputs), with biases."""

    def formula(weights: Weights, width: int, _: int) -> Run:
        a, b_a = weights(f"{activated}.weight", D, width), weights(f"{activated}.bias", width)
        b, b_b = weights(f"{other}.weight", D, width), weights(f"{other}.bias", width)
        w_out, b_out = weights(f"{out}.weight", width, D), weights(f"{out}.bias", D)
        return lambda h: (silu(h @ a + b_a) * (h @ b + b_b)) @ w_out + b_out

    return formula


def one_of(experts: int) -> Formula:
    """An expert of tensors of three dimensions, (experts, outputs, inputs)."""

    def formula(weights: Weights, width: int, expert: int) -> Run:
        gate, up = (weights(f"{name}_proj.weight", experts, width, D)[expert] for name in ("gate", "up"))
        down = weights("down_proj.weight", experts, D, width)[expert]
        return lambda h: linear(silu(linear(h, gate)) * linear(h, up), down)

    return formula


LLAMA = separate("gate_proj", "up_proj", "down_proj")
MIXTRAL = separate("w1", "w3", "w2")

SQUARE = (D, D)
QKVO: Mapping[str, tuple[int, ...]] = {
    **{f"self_attn.{name}_proj.weight": SQUARE for name in "qkvo"},
    "input_layernorm.weight": (D,),
}
"""Llama's attention and the norm before it."""
POST_ATTENTION = Norm("post_attention_layernorm.weight")
NO_NORM = Norm("", "none")


def config(model_type: str, **keys: object) -> dict[str, Any]:
    """Llama's keys but for `keys`; those that are None are left out."""
    common = {
        "num_hidden_layers": 2,
        "hidden_size": D,
        "intermediate_size": F,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
    }
    return {"model_type": model_type, **{key: value for key, value in (common | keys).items() if value is not None}}


def llama(
    model_type: str, *mlps: Mlp, stack: str = "model.layers", norm: Norm = POST_ATTENTION, **keys: object
) -> Family:
    """A family with Llama's attention, and its keys but for `keys`."""
    return Family(config(model_type, **keys), stack, mlps or (Mlp("mlp.", LLAMA),), norm, QKVO)


def also(family: Family, **others: tuple[int, ...]) -> Family:
    """The family with further tensors."""
    return replace(family, others={**family.others, **others})


def nested(family: Family, key: str, **outer: object) -> Family:
    """The family as the text model of another: its config under a key, and a plain tower of vision beside it."""
    tower = {f"/vision_model.encoder.layers.0.mlp.{name}.weight": SQUARE for name in ("fc1", "fc2")}
    return replace(also(family, **tower), config={**outer, key: family.config})
