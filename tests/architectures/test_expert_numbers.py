"""How many experts and layers there are, which number each has, and which entries of shared tensors are whose."""

from pathlib import Path

import pytest

from gated_ray.errors import CheckpointError, UnsupportedError
from tests.architectures.measured import architecture_of
from tests.checkpoints.raw_models import (
    D_EXPERT,
    D_MLP,
    D_MODEL,
    EXPERTS,
    LAYERS,
    PRE_NORMS,
    RawModel,
    Shape,
    add_tensor,
    drop,
    edited,
    gated,
    gpt_oss,
    model_of,
    moe,
    phi3,
    reshape,
    say,
    unsay,
)


def _one_more(model_type: str = "qwen3_moe") -> RawModel:
    """A model whose layer 1 has one expert more than its layer 0, which nothing but the routers tells."""
    more = gated(f"model.layers.1.mlp.experts.{EXPERTS}", D_EXPERT)
    model = edited(moe(model_type), unsay("num_experts"), *(add_tensor(*each) for each in more.items()))
    return edited(model, reshape(r"layers\.1\.mlp\.gate\.weight", lambda shape: (EXPERTS + 1, shape[1])))


NO_ROUTER = drop(r"mlp\.gate\.weight")


def _experts(model: RawModel, folder: Path) -> list[int]:
    blocks = architecture_of(model, folder).blocks
    return [sum(block.layer == layer for block in blocks) for layer in range(LAYERS)]


@pytest.mark.parametrize("model_type", ["qwen3_moe", "tomorrow_lm"])
def test_layers_that_disagree_where_nothing_says_how_many_experts(tmp_path: Path, model_type: str) -> None:
    model = edited(_one_more(model_type), NO_ROUTER)
    with pytest.raises(CheckpointError, match=rf"layers\.0 has {EXPERTS} blocks that are expert, other layers 4"):
        architecture_of(model, tmp_path)


def test_a_layer_that_lost_its_router_and_an_expert(tmp_path: Path) -> None:
    lost = drop(r"layers\.1\.mlp\.(gate\.weight|experts\.2\.)")
    with pytest.raises(CheckpointError, match=r"layers\.1 has 2 blocks that are expert, other layers 3"):
        architecture_of(edited(moe("qwen3_moe"), unsay("num_experts"), lost), tmp_path)


def test_a_list_of_the_config_that_is_too_short(tmp_path: Path) -> None:
    model = edited(moe("qwen3_moe"), NO_ROUTER, say(num_experts=[EXPERTS]), drop(r"layers\.1\.mlp\.experts\.2\."))
    with pytest.raises(CheckpointError, match=r"layers\.1 has 2 blocks that are expert, other layers 3"):
        architecture_of(model, tmp_path)


def test_layers_may_have_different_numbers_of_experts_as_their_routers_say(tmp_path: Path) -> None:
    assert _experts(_one_more(), tmp_path / "a") == [EXPERTS, EXPERTS + 1]
    halved = edited(_one_more(), drop(rf"layers\.1\.mlp\.experts\.{EXPERTS}"))
    with pytest.raises(CheckpointError, match=r"layers\.1 has 3 experts, but mlp\.gate\.weight chooses among 4"):
        architecture_of(halved, tmp_path / "b")


@pytest.mark.parametrize("routers", [True, False])
def test_layers_may_have_different_numbers_of_experts_as_the_config_lists(tmp_path: Path, routers: bool) -> None:
    model = _one_more() if routers else edited(_one_more(), NO_ROUTER)
    listed = edited(model, say(num_experts=[EXPERTS, EXPERTS + 1]))
    assert _experts(listed, tmp_path / "a") == [EXPERTS, EXPERTS + 1]
    with pytest.raises(CheckpointError, match=r"layers\.1 has 4 experts, but config\.json says num_experts"):
        architecture_of(edited(model, say(num_experts=[EXPERTS, EXPERTS])), tmp_path / "b")


def test_experts_of_two_kinds_are_each_numbered_from_0(tmp_path: Path) -> None:
    blocks = architecture_of(_two_kinds(2, 2), tmp_path).blocks
    assert [(block.layer, block.component, block.expert, block.w_in.name, block.neurons) for block in blocks] == [
        (layer, component, expert, f"model.layers.{layer}.mlp.experts.{number}.up_proj.weight", neurons)
        for layer in range(LAYERS)
        for number, (component, expert, neurons) in enumerate(
            [("expert", 0, D_EXPERT), ("expert", 1, D_EXPERT), ("vision_expert", 0, 6), ("vision_expert", 1, 6)]
        )
    ]


def test_experts_of_two_kinds_that_are_not_as_many_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has 3 experts, which expert and vision_expert cannot share"):
        architecture_of(_two_kinds(2, 1), tmp_path)


def _two_kinds(text: int, vision: int) -> RawModel:
    layer = {**PRE_NORMS, "mlp.gate.weight": (D_MODEL, text), "mlp.gate.weight_1": (D_MODEL, vision)}
    for expert in range(text + vision):
        layer |= gated(f"mlp.experts.{expert}", D_EXPERT if expert < text else 6)
    return model_of("ernie4_5_vl_moe_text", layer)


@pytest.mark.parametrize("model_type", ["deepseek_v3", "glm4_moe"])
def test_layers_that_predict_further_tokens_are_left_out_by_name(tmp_path: Path, model_type: str) -> None:
    model = moe(model_type, shared="shared_experts", num_nextn_predict_layers=1)
    layer = {name.removeprefix("model.layers.1."): shape for name, shape in model.shapes.items() if ".1." in name}
    further: dict[str, Shape] = {f"model.layers.{LAYERS}.{name}": shape for name, shape in layer.items()}
    model = edited(model, *(add_tensor(*each) for each in further.items()))
    found = architecture_of(model, tmp_path / "a")
    assert found.left_out == (f"model.layers.{LAYERS}",)
    assert {block.layer for block in found.blocks} == set(range(LAYERS))
    with pytest.raises(CheckpointError, match=rf"there are tensors of model\.layers\.{LAYERS}"):
        architecture_of(edited(model, unsay("num_nextn_predict_layers")), tmp_path / "b")


def _biases(model: RawModel, folder: Path) -> dict[tuple[int, int | None], list[tuple[object, ...]]]:
    return {
        (block.layer, block.expert): [
            (bias.role, bias.record.name.partition("mlp.")[2], bias.expert, bias.first, bias.step, bias.count)
            for bias in block.biases
        ]
        for block in architecture_of(model, folder).blocks
    }


def test_biases_of_interleaved_experts(tmp_path: Path) -> None:
    assert _biases(gpt_oss(), tmp_path) == {
        (layer, expert): [
            ("gate", "experts.gate_up_proj_bias", expert, 0, 2, D_EXPERT),
            ("in", "experts.gate_up_proj_bias", expert, 1, 2, D_EXPERT),
            ("out", "experts.down_proj_bias", expert, 0, 1, D_MODEL),
        ]
        for layer in range(LAYERS)
        for expert in range(EXPERTS)
    }


def test_biases_of_gate_and_up_one_after_the_other(tmp_path: Path) -> None:
    biased = (add_tensor(f"model.layers.{layer}.mlp.gate_up_proj.bias", (2 * D_MLP,)) for layer in range(LAYERS))
    assert _biases(edited(phi3(), *biased), tmp_path) == {
        (layer, None): [
            ("gate", "gate_up_proj.bias", None, 0, 1, D_MLP),
            ("in", "gate_up_proj.bias", None, D_MLP, 1, D_MLP),
        ]
        for layer in range(LAYERS)
    }


def test_what_stands_beside_the_experts_by_a_users_rule_adds_to_what_is_known(tmp_path: Path) -> None:
    """The router is known of every type; the user's rule need not say so again."""
    usage = (add_tensor(f"model.layers.{layer}.mlp.usage", (EXPERTS,)) for layer in range(LAYERS))
    model = edited(moe("plover"), *usage)
    extra = tmp_path / "rules.toml"
    extra.write_text('[[family]]\ntypes = ["plover"]\nbeside = ["usage"]\n')
    assert len(architecture_of(model, tmp_path / "m", extra).blocks) == LAYERS * EXPERTS
    extra.write_text('[[family]]\ntypes = ["plover"]\nbeside = []\n')
    with pytest.raises(UnsupportedError, match=r"tensor mlp\.usage \(3,\) is not understood"):
        architecture_of(model, tmp_path / "m", extra)
