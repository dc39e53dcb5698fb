"""The tracing finds the blocks, norms and scales that these models are known to have."""

from collections import Counter
from functools import cache

import pytest
import torch

from tests.conformance.live_blocks import LiveBlock, live_blocks
from tests.conformance.tiny_models import tiny_inputs, tiny_model
from tests.conformance.tracing import in_float64


@cache
def traced(case: str) -> tuple[torch.nn.Module, list[LiveBlock]]:
    model = tiny_model(case)
    return model, live_blocks(model, tiny_inputs(case, model))


@pytest.mark.parametrize(
    ("case", "layer", "kinds"),
    [
        ("t5", 0, {"dense": 2}),
        ("qwen2_moe", 1, {"expert": 4, "shared_expert": 1}),
        ("llama4_text", 1, {"expert": 4, "shared_expert": 1}),
        ("jetmoe", 0, {"expert": 4}),
        ("dbrx", 2, {"expert": 4}),
        ("longcat_flash", 0, {"dense": 2, "expert": 4}),
        ("gemma4_text_moe", 0, {"dense": 1, "expert": 4}),
        ("recurrent_gemma", 0, {"dense": 1}),
    ],
)
def test_all_blocks_of_a_layer_are_found(case: str, layer: int, kinds: dict[str, int]) -> None:
    _, blocks = traced(case)
    assert Counter(block.kind for block in blocks if block.layer == layer) == kinds
    experts = [block.expert for block in blocks if block.layer == layer and block.kind == "expert"]
    assert experts == list(range(len(experts)))


def test_a_branch_beside_the_gated_neurons_is_left_out() -> None:
    """Doge's module adds retrieved experts, which are no gated neurons, to a gated MLP."""
    model, blocks = traced("doge_moe")
    h = torch.randn(3, blocks[0].d_model, dtype=torch.float64)
    mlp = model.model.layers[0].mlp
    with torch.no_grad():
        expected = mlp.down_proj(mlp.act_fn(mlp.gate_proj(h)) * mlp.up_proj(h))
    torch.testing.assert_close(blocks[0].run(h), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", ["olmo2", "gte", "nomic_bert", "minimax"])
def test_a_block_added_to_what_it_reads_has_no_norm_before(case: str) -> None:
    _, blocks = traced(case)
    x = torch.randn(3, blocks[0].d_model, dtype=torch.float64)
    for block in blocks:
        assert torch.equal(block.read(x), x)
        assert block.norm is not None
        assert block.norm.kind == "none"


def test_layer_norms_are_measured_with_gain_and_bias() -> None:
    model, blocks = traced("stablelm")
    for block, layer in zip(blocks, model.model.layers, strict=True):
        assert block.centred
        torch.testing.assert_close(block.read_gain, layer.post_attention_layernorm.weight.data, rtol=1e-9, atol=0)
        torch.testing.assert_close(block.norm_bias, layer.post_attention_layernorm.bias.data, rtol=0, atol=1e-9)


def test_a_parallel_block_reads_the_norm_that_it_shares() -> None:
    model, blocks = traced("stablelm_parallel")
    for block, layer in zip(blocks, model.model.layers, strict=True):
        torch.testing.assert_close(block.read_gain, layer.input_layernorm.weight.data, rtol=1e-9, atol=0)


def test_two_norms_after_a_block_multiply() -> None:
    model, blocks = traced("gemma4_text_moe")
    for block in blocks:
        layer = model.model.layers[block.layer]
        own = layer.post_feedforward_layernorm_1 if block.kind == "dense" else layer.post_feedforward_layernorm_2
        gain = (own.weight * layer.post_feedforward_layernorm.weight).data
        torch.testing.assert_close(block.write_gain, gain / gain.norm(), rtol=1e-7, atol=0)


def test_a_norm_over_neurons_is_seen() -> None:
    assert all(block.inner_norm for block in traced("bitnet")[1])
    assert not any(block.inner_norm for block in traced("llama")[1])


def test_a_norm_gated_by_its_input_is_not_foldable() -> None:
    _, blocks = traced("axk2")
    assert {block.foldable for block in blocks if block.kind != "dense"} == {False}


@pytest.mark.parametrize("case", ["gemma2", "granite", "hyperclovax", "llama", "olmo2"])
def test_read_run_and_write_are_what_the_layer_adds(case: str) -> None:
    """Without attention's part, a decoder layer adds write(run(read(x))) to x, up to a positive factor a token."""
    model, blocks = traced(case)
    layer = next(module for path, module in model.named_modules() if path.endswith("layers.1"))
    silenced = layer.self_attn.register_forward_hook(lambda _, args, output: (output[0] * 0, *output[1:]))
    x = torch.randn(1, 5, blocks[1].d_model, dtype=torch.float64)
    try:
        with in_float64():
            positions = torch.arange(5)[None]
            rotary = next(module for path, module in model.named_modules() if path.endswith("rotary_emb"))(x, positions)
            output = layer(x, position_embeddings=rotary, attention_mask=None, position_ids=positions)
    finally:
        silenced.remove()
    output = output if isinstance(output, torch.Tensor) else output[0]
    added, live = (output - x)[0], blocks[1].write(blocks[1].run(blocks[1].read(x[0])))
    torch.testing.assert_close(
        torch.nn.functional.normalize(added), torch.nn.functional.normalize(live), rtol=0, atol=1e-12
    )


def test_towers_that_read_no_text_are_left_out() -> None:
    model, blocks = traced("pix2struct")
    assert any(path.startswith("encoder.") and path.endswith("mlp") for path, _ in model.named_modules())
    assert all(block.path.startswith("decoder.") for block in blocks)
