"""Norms over the neurons, gates of one number and constants of config.json each count in the numbers, or are refused."""

from pathlib import Path

import numpy as np
import pytest

from gated_ray.errors import CheckpointError
from tests.architectures.measured import Key, architecture_of, assert_numbers, measured, prepared, vectors
from tests.checkpoints.raw_models import (
    D_MLP,
    D_MODEL,
    LAYERS,
    PRE_NORMS,
    RawModel,
    add_tensor,
    edited,
    fill,
    gated,
    llama,
    model_of,
)

Vectors = tuple[np.ndarray, np.ndarray, np.ndarray]

PROFILES = ("paper", "residual")


def _normed_within(model_type: str, name: str) -> RawModel:
    """Llama with a norm over the neurons before down_proj, whose gains are of either sign."""
    layer = {**PRE_NORMS, **gated("mlp"), f"mlp.{name}.weight": (D_MLP,)}
    return model_of(model_type, layer, intermediate_size=D_MLP)


def _expected_within(model: RawModel, name: str, profile: str, plus: float = 0.0) -> dict[Key, Vectors]:
    expected = {}
    for number in range(LAYERS):
        layer = f"model.layers.{number}"
        gate, w_in, out = (model[f"{layer}.mlp.{each}_proj.weight"] for each in ("gate", "up", "down"))
        gain = model[f"{layer}.mlp.{name}.weight"] + plus
        assert gain.min() < 0 < gain.max()
        raw = (gate, w_in, out.T * gain[:, None])
        expected[number, "mlp", None] = prepared(
            model, layer, raw, pre="post_attention_layernorm", posts=(), norm="rms", plus=plus, profile=profile
        )
    return expected


@pytest.mark.parametrize("profile", PROFILES)
def test_the_gain_of_a_norm_over_the_neurons_scales_and_turns_what_they_write(tmp_path: Path, profile: str) -> None:
    model = _normed_within("bitnet", "ffn_sub_norm")
    assert_numbers(measured(model, tmp_path, profile), _expected_within(model, "ffn_sub_norm", profile))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_norm_over_the_neurons_has_the_gain_that_its_rule_says(tmp_path: Path, profile: str) -> None:
    model = _normed_within("kestrel", "within")
    extra = tmp_path / "rules.toml"
    extra.write_text('[[family]]\ntypes = ["kestrel"]\ngain = "1+w"\ninner_norm = "{module}.within.weight"\n')
    expected = _expected_within(model, "within", profile, plus=1.0)
    assert_numbers(measured(model, tmp_path / "m", profile, extra), expected)


GATES = (1.7, -0.6)


@pytest.mark.parametrize("profile", PROFILES)
def test_mllama_multiplies_by_the_tanh_of_a_gate(tmp_path: Path, profile: str) -> None:
    gates = {f"model.layers.{layer}.cross_attn_mlp_gate": np.array([gate]) for layer, gate in enumerate(GATES)}
    model = edited(llama("mllama_text_model"), fill(gates))
    expected = {
        (layer, "mlp", None): _by_tanh(vectors(model, f"model.layers.{layer}", profile=profile), gate, profile)
        for layer, gate in enumerate(GATES)
    }
    assert_numbers(measured(model, tmp_path, profile), expected)


@pytest.mark.parametrize("profile", PROFILES)
def test_idefics_multiplies_by_the_tanh_of_a_gate_a_channel(tmp_path: Path, profile: str) -> None:
    stack = "model.gated_cross_attn_layers"
    gates = {layer: np.linspace(-2, 2, D_MODEL).reshape(1, 1, D_MODEL) + gate for layer, gate in enumerate(GATES)}
    tensors = {**PRE_NORMS, **gated("mlp"), "alpha_cross_attn": (1, 1, D_MODEL)}
    model = edited(
        llama("idefics"),
        *(add_tensor(f"{stack}.{layer}.{name}", shape) for layer in gates for name, shape in tensors.items()),
        fill({f"{stack}.{layer}.alpha_dense": gate.astype("<f4") for layer, gate in gates.items()}),
    )
    expected = {(layer, "mlp", None): vectors(model, f"model.layers.{layer}", profile=profile) for layer in gates}
    expected |= {
        (layer, "cross_attention_mlp", None): _by_tanh(
            vectors(model, f"{stack}.{layer}", profile=profile), gate.reshape(D_MODEL), profile
        )
        for layer, gate in gates.items()
    }
    assert_numbers(measured(model, tmp_path, profile), expected)


def _by_tanh(raw: Vectors, gate: np.ndarray | float, profile: str) -> Vectors:
    w_gate, w_in, out = raw
    return w_gate, w_in, out * np.tanh(gate) if profile == "residual" else out


CONSTANTS = {"granite": ("residual_multiplier", 0.22, 0.22), "minicpm3": ("scale_depth", 1.4, 1.4 / np.sqrt(LAYERS))}


@pytest.mark.parametrize("model_type", CONSTANTS)
def test_a_constant_of_the_config_multiplies_what_is_written(tmp_path: Path, model_type: str) -> None:
    key, value, factor = CONSTANTS[model_type]
    model = llama(model_type, **{key: value})
    expected = {}
    for layer in range(LAYERS):
        gate, w_in, out = vectors(model, f"model.layers.{layer}")
        expected[layer, "mlp", None] = gate, w_in, out * factor
    assert_numbers(measured(model, tmp_path), expected)


@pytest.mark.parametrize("value", [0, 0.0, -0.22, float("inf"), "0.22", True])
@pytest.mark.parametrize("model_type", CONSTANTS)
def test_a_constant_that_no_model_has_is_refused(tmp_path: Path, model_type: str, value: object) -> None:
    key = CONSTANTS[model_type][0]
    with pytest.raises(CheckpointError, match=rf"config\.json says {key}={value!r}"):
        architecture_of(llama(model_type, **{key: value}), tmp_path)
