"""Tests that the tiny models reach every gated model type of the census, with weights at which nothing cancels."""

import torch

from tests.conformance.tiny_models import CASES, NO_FORWARD, UNBUILDABLE, census, tiny_inputs, tiny_model


def test_every_gated_model_type_of_the_census_is_built_or_has_a_reason() -> None:
    types = census()
    assert len(types) == len(set(types)) == 225
    built = {model_type for model_type, _ in CASES.values()}
    assert built | set(UNBUILDABLE) == set(types)
    assert not built & set(UNBUILDABLE)


def test_every_model_type_is_a_case_under_its_own_name() -> None:
    assert all(CASES[model_type][0] == model_type for model_type in census() if model_type not in UNBUILDABLE)


def test_reasons_are_of_known_cases() -> None:
    assert set(NO_FORWARD) <= set(CASES)
    assert set(UNBUILDABLE) <= set(census())


def test_no_gain_bias_or_scale_is_at_its_default() -> None:
    """Of the two ways to store a gain (w in llama, 1 + w in gemma2) and of a per-layer scalar, which is a buffer."""
    for case, default in (("llama", 1.0), ("gemma2", 0.0)):
        gain = tiny_model(case).model.layers[0].post_attention_layernorm.weight - default
        assert -0.7 <= gain.min() < -0.3
        assert 1.0 < gain.max() <= 1.5
    layer = tiny_model("gemma4_text").model.layers[0]
    assert layer.layer_scalar.item() != 1.0
    assert tiny_model("llama_mlp_bias").model.layers[0].mlp.down_proj.bias.abs().min() > 0


def test_dense_routed_and_shared_parts_have_sizes_of_their_own() -> None:
    layers = tiny_model("afmoe").model.layers
    assert layers[0].mlp.gate_proj.weight.shape == (48, 32)
    assert layers[1].mlp.experts.gate_up_proj.shape == (4, 2 * 40, 32)
    assert layers[1].mlp.shared_experts.gate_proj.weight.shape == (40, 32)


def test_equal_seeds_give_equal_models_and_outputs() -> None:
    outputs = []
    for seed in (0, 0, 1):
        model = tiny_model("mixtral", seed=seed)
        with torch.no_grad():
            outputs.append(model(**tiny_inputs("mixtral", model)).logits)
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])
