"""The oracle's prepared vectors against live models: do they act on the residual stream as METHOD section 2 says?

With x the residual stream that a block reads and xhat = x / rms(x) (x / std(x) for a LayerNorm, x itself without a norm),
the vectors of profile ``residual`` must satisfy  pre-activation = w xhat + constant  and
what is added to the stream = sum over neurons of post * w_out + constant, up to its mean over d_model in LayerNorm models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints.reference import reference_vectors
from tests.checkpoints.tiny import CASES, D_MLP, tiny_checkpoint


@dataclass(frozen=True)
class _Where:
    """Dotted module paths below one layer of a live model."""

    layer: str
    gate: str | None
    read: str
    write: str
    reads: str
    """rms or layer: what normalises the residual stream; raw: nothing."""
    parallel: bool = False
    """The block reads the layer's input instead of the stream after attention."""
    after: str | None = None
    """A norm that what is written passes before it is added to the stream."""
    component: str = "mlp"


def _t5(stack: str, sublayer: int, gate: str | None, read: str) -> _Where:
    block = f"layer.{sublayer}.DenseReluDense"
    gate_path = None if gate is None else f"{block}.{gate}"
    return _Where(f"{stack}.block", gate_path, f"{block}.{read}", f"{block}.wo", "rms", component=f"{stack}_mlp")


_GATED = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
_DENSE = (None, "mlp.dense_h_to_4h", "mlp.dense_4h_to_h")
_LIVE = {
    "llama": _Where("model.layers", *_GATED, "rms"),
    "mistral": _Where("model.layers", *_GATED, "rms"),
    "qwen2": _Where("model.layers", *_GATED, "rms"),
    "gemma2": _Where("model.layers", *_GATED, "rms", after="post_feedforward_layernorm"),
    "olmo": _Where("model.layers", *_GATED, "layer"),
    "gpt2": _Where("transformer.h", None, "mlp.c_fc", "mlp.c_proj", "layer"),
    "gptj": _Where("transformer.h", None, "mlp.fc_in", "mlp.fc_out", "layer", parallel=True),
    "bloom": _Where("transformer.h", *_DENSE, "layer"),
    "gpt_neox": _Where("gpt_neox.layers", *_DENSE, "layer", parallel=True),
    "gpt_neox_sequential": _Where("gpt_neox.layers", *_DENSE, "layer"),
    "opt": _Where("model.decoder.layers", None, "fc1", "fc2", "layer"),
    "opt_post_norm": _Where("model.decoder.layers", None, "fc1", "fc2", "raw"),
    "bert": _Where("bert.encoder.layer", None, "intermediate.dense", "output.dense", "raw"),
    "t5 encoder": _t5("encoder", 1, None, "wi"),
    "t5 decoder": _t5("decoder", 2, None, "wi"),
    "t5_gated encoder": _t5("encoder", 1, "wi_0", "wi_1"),
    "t5_gated decoder": _t5("decoder", 2, "wi_0", "wi_1"),
}
"""Case of `CASES`, and the stack where there are two."""


class _Tape:
    """What entered and left modules of one layer in a forward pass, by path below the layer: [tokens, width]."""

    def __init__(self, model: torch.nn.Module, layer: torch.nn.Module, paths: list[str | None]) -> None:
        self.entered: dict[str, torch.Tensor] = {}
        self.left: dict[str, torch.Tensor] = {}
        layer.register_forward_hook(self._recorder("layer"), with_kwargs=True)
        for path in filter(None, paths):
            layer.get_submodule(path).register_forward_hook(self._recorder(path), with_kwargs=True)
        ids = torch.arange(24).view(2, 12) % 37 + 3
        decoder = {"decoder_input_ids": ids.flip(1)} if model.config.is_encoder_decoder else {}
        with torch.no_grad():
            model(input_ids=ids, **decoder)

    def _recorder(self, path: str) -> Callable[..., None]:
        def record(_: Any, positional: Any, named: Any, output: Any) -> None:
            entered = positional[0] if positional else named["hidden_states"]
            left = output[0] if isinstance(output, tuple) else output
            self.entered[path] = entered.reshape(-1, entered.shape[-1])
            self.left[path] = left.reshape(-1, left.shape[-1])

        return record


def _varying(rows: torch.Tensor) -> torch.Tensor:
    """Rows minus their mean over tokens: what is left when constants (biases) are taken away."""
    return rows - rows.mean(0)


def _normalised(stream: torch.Tensor, reads: str) -> torch.Tensor:
    if reads == "raw":
        return stream
    if reads == "layer":
        return stream / stream.std(1, correction=0, keepdim=True)
    return stream / stream.square().mean(1, keepdim=True).sqrt()


def test_every_case_is_checked() -> None:
    assert {case.split()[0] for case in _LIVE} == set(CASES)


@pytest.mark.parametrize("case", _LIVE)
def test_prepared_vectors_are_what_the_live_model_computes(tmp_path: Path, case: str) -> None:
    model_type, overrides = CASES[case.split()[0]]
    model = tiny_checkpoint(tmp_path, model_type, dtype=torch.float64, **overrides)
    where = _LIVE[case]
    vectors = reference_vectors(tmp_path, "residual")[1, where.component]
    w_gate, w_in, w_out = (None if array is None else torch.from_numpy(array) for array in vectors)
    layer = model.get_submodule(f"{where.layer}.1")
    tape = _Tape(model, layer, [where.gate, where.read, where.write, where.after])

    added = tape.left[where.after or where.write]
    if where.reads == "raw":
        stream = tape.entered[where.read]
    else:
        stream = tape.entered["layer"] if where.parallel else tape.left["layer"] - added
    xhat = _normalised(stream, where.reads)
    # The norms' epsilons are not modelled: the stream is about 1, they are 1e-5 and less.
    close = {"atol": 1e-3, "rtol": 1e-3}
    torch.testing.assert_close(_varying(xhat @ w_in.T), _varying(tape.left[where.read]), **close)
    assert (w_gate is None) == (where.gate is None)
    if w_gate is not None:
        torch.testing.assert_close(_varying(xhat @ w_gate.T), _varying(tape.left[where.gate]), **close)

    post = tape.entered[where.write]
    assert post.shape[1] == D_MLP
    predicted = post @ w_out
    if where.after:
        predicted = predicted * (added.norm(dim=1) / predicted.norm(dim=1))[:, None]
    if where.reads == "layer":
        added = added - added.mean(1, keepdim=True)
    torch.testing.assert_close(_varying(predicted), _varying(added), atol=1e-5, rtol=1e-5)
