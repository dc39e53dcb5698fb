"""Activation statistics of all layers against the bare forward pass of the same batch, on the device that there is.

A model of Qwen2.5-0.5B's width with four layers. What the model's matrix products could reach is measured beside it, and a
sweep of OLMo-7B over 20 million tokens projected from that.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from gated_ray.activations.measuring import Measurer
from gated_ray.analysis import default_device
from tests.activations.taking import Taker
from tests.benchmarks.measure import Ratio, alternating

_LAYERS, _D_MODEL, _D_MLP, _VOCABULARY = 4, 896, 4864, 2048
_TOKENS = 512
_REPEATS = 5
_LIMITS = {"cpu": 1.5, "cuda": 1.15}
_BATCHES = {"cpu": 8, "cuda": 32}
_DTYPES = {"cpu": torch.float32, "cuda": torch.bfloat16}
_OLMO_7B = 32 * (4 * 4096**2 + 3 * 4096 * 11008)
"""Weights of its layers: four matrices of attention, three of the MLP."""
_SWEEP_TOKENS = 20_000_000
_A100_FLOPS = 312e12
"""Dense bfloat16 products a second at most, as NVIDIA states it."""


def _save(folder: Path) -> None:
    config = Qwen2Config(
        vocab_size=_VOCABULARY,
        hidden_size=_D_MODEL,
        intermediate_size=_D_MLP,
        num_hidden_layers=_LAYERS,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=4 * _TOKENS,
    )
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    device = default_device()
    with TemporaryDirectory() as folder:
        _save(Path(folder))
        taker = Taker(folder, fused=True, dtype=_DTYPES[device.type], device=device)
        plain = Taker(folder, dtype=_DTYPES[device.type], device=device)
    generator = torch.Generator().manual_seed(1)
    batch = torch.randint(_VOCABULARY, (_BATCHES[device.type], _TOKENS), generator=generator).tolist()
    tokens = len(batch) * _TOKENS
    model, ids = taker.runner.live.model, torch.tensor(batch, device=device)
    w_in = torch.randn(_D_MLP, _D_MODEL, device=device, dtype=_DTYPES[device.type])
    x = torch.randn(tokens, _D_MODEL, device=device, dtype=w_in.dtype)

    def forward() -> None:
        with torch.inference_mode():
            model(ids, use_cache=False)
        _wait(device)

    def statistics(measurer: Measurer) -> None:
        measurer.measure(batch, 0)
        _wait(device)

    def products() -> None:
        torch.nn.functional.linear(x, w_in)
        _wait(device)

    def nothing_taken() -> None:
        taker.runner.run(batch, lambda _: None)
        _wait(device)

    fused, tiled = taker.measurer(tokens), plain.measurer(tokens)
    statistics(fused)  # compiles
    bare, with_fused, with_tiled, hooked, product = alternating(
        _REPEATS, forward, lambda: statistics(fused), lambda: statistics(tiled), nothing_taken, products
    )
    reachable = 2 * tokens * _D_MODEL * _D_MLP / product
    done = (
        2 * tokens * sum(p.numel() for name, p in model.named_parameters() if "layers" in name and p.dim() == 2) / bare
    )
    where = f"{tokens} tokens, {device.type}, {str(_DTYPES[device.type]).removeprefix('torch.')}"
    seconds = _SWEEP_TOKENS * 2 * _OLMO_7B / _A100_FLOPS / (done / reachable) * with_fused / bare
    return [
        Ratio(
            "activation statistics and forward pass / forward pass",
            with_fused / bare,
            "x",
            _LIMITS[device.type],
            f"{with_fused:.3f} / {bare:.3f} s, {where}; every document enters a ranking",
        ),
        Ratio("the same, not compiled", with_tiled / bare, "x", None, f"{with_tiled:.3f} s"),
        Ratio("the same, nothing taken", hooked / bare, "x", None, f"{hooked:.3f} s: hooks alone"),
        Ratio(
            "forward pass, share of the matrix-product limit",
            done / reachable,
            "x",
            None,
            f"{done / 1e9:.0f} of {reachable / 1e9:.0f} GFLOP/s",
        ),
        Ratio("activation statistics", tokens / with_fused, "tokens/s", None, f"{_LAYERS} layers of {_D_MLP} neurons"),
        Ratio(
            "OLMo-7B over 20 million tokens, projected",
            seconds / 3600,
            "h",
            None,
            f"on one A100: 2e7 tokens x 2 x {_OLMO_7B:.3g} weights / (312 TFLOP/s x {done / reachable:.2f}) "
            f"x {with_fused / bare:.2f}",
        ),
    ]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
