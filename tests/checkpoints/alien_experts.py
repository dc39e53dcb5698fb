"""Mixtures of experts with experts lost, narrowed, flattened or miscounted."""

from tests.checkpoints.alien_case import Alien, alien
from tests.checkpoints.raw_models import (
    D_EXPERT,
    D_MODEL,
    PRE_NORMS,
    add_tensor,
    drop,
    fused_moe,
    gated,
    gpt_oss,
    llama,
    model_of,
    moe,
    rename,
    reshape,
    say,
    transposed,
    unsay,
)

_MIXTRAL = moe(
    "mixtral", num_local_experts=3
)  # w1, w2, w3 under block_sparse_moe, and experts' width under intermediate_size
_TO_MIXTRAL = (
    rename(r"mlp\.", "block_sparse_moe."),
    rename("gate_proj", "w1"),
    rename("down_proj", "w2"),
    rename("up_proj", "w3"),
    unsay("num_experts", "moe_intermediate_size"),
    say(intermediate_size=D_EXPERT),
)
_NARROW = (
    reshape(r"layers\.1\.mlp\.experts\.1\.(gate|up)_proj", lambda _: (8, 16)),
    reshape(r"layers\.1\.mlp\.experts\.1\.down_proj", lambda _: (16, 8)),
)

EXPERTS: dict[str, Alien] = {
    "expert_missing_in_the_middle": alien(moe(), drop(r"1\.mlp\.experts\.1\."), says=r"layers\.1\b.*expert 1"),
    "last_expert_missing": alien(moe(), drop(r"1\.mlp\.experts\.2\."), says=r"layers\.1\b.*expert 2"),
    "last_expert_missing_and_the_config_does_not_count": alien(
        moe("tomorrow_lm"),
        unsay("num_experts"),
        drop(r"experts\.2\."),
        says=r"mlp\.gate\.weight.*3|3.*mlp\.gate\.weight",
    ),
    "last_expert_missing_in_one_layer_and_the_config_does_not_count": alien(
        moe("tomorrow_lm"), unsay("num_experts"), drop(r"layers\.1\.mlp\.experts\.2\."), says=r"layers\.1\b.*expert"
    ),
    "down_of_one_expert_missing": alien(
        moe(), drop(r"experts\.1\.down"), says=r"layers\.0\b.*mlp\.experts\.1\.down_proj\.weight"
    ),
    "gate_of_the_last_expert_missing": alien(
        moe(), drop(r"1\.mlp\.experts\.2\.gate"), says=r"layers\.1\b.*mlp\.experts\.2\.gate_proj\.weight"
    ),
    "expert_renamed": alien(moe(), rename(r"1\.mlp\.experts\.1\.", "1.mlp.experts.one."), says=r"layers\.1\b.*expert"),
    "all_experts_missing": alien(
        moe(shared="shared_expert"), drop(r"\.experts\."), says=r"3.*experts|experts.*3|mlp\.gate"
    ),
    "all_experts_missing_in_one_layer": alien(
        moe("qwen2_moe", shared="shared_expert"), drop(r"layers\.1\.mlp\.experts\."), says=r"layers\.1\b.*expert"
    ),
    "all_fused_experts_missing_in_one_layer": alien(fused_moe(), drop(r"1\.mlp\.experts\."), says=r"layers\.1\b"),
    "shared_expert_lacks_up": alien(
        moe(shared="shared_expert"),
        drop(r"1\.mlp\.shared_expert\.up"),
        says=r"layers\.1\b.*mlp\.shared_expert\.up_proj\.weight",
    ),
    "fewer_experts_than_config_says": alien(moe(num_experts=4), says=r"expert 3 of 4|num_experts=4"),
    "more_experts_than_config_says": alien(moe(num_experts=2), says=r"3 experts.*2"),
    "more_fused_experts_than_config_says": alien(fused_moe(num_experts=2), says=r"3 experts.*2"),
    "fewer_fused_experts_than_config_says": alien(fused_moe(num_experts=4), says=r"3 experts|expert 3"),
    "one_expert_narrower": alien(moe(), *_NARROW, says=r"experts\.1\..*\b8\b"),
    "one_expert_narrower_and_no_width_in_the_config": alien(
        moe("tomorrow_lm"), *_NARROW, unsay("moe_intermediate_size"), says=r"mlp\.experts\.1\."
    ),
    "experts_width_under_another_key": alien(
        _MIXTRAL, *_TO_MIXTRAL, say(intermediate_size=99), says=r"intermediate_size=99.*12"
    ),
    "experts_width_of_gpt_oss": alien(gpt_oss(), say(intermediate_size=99), says=r"intermediate_size=99.*12"),
    "fused_experts_transposed_once": alien(
        fused_moe(), reshape("gate_up_proj", transposed), says=r"experts\.gate_up_proj.*\(3, 16, 24\)"
    ),
    "fused_experts_turned_round_with_the_last_first": alien(
        fused_moe(),
        reshape(r"experts\.gate_up_proj", lambda _: (24, 16, 3)),
        reshape(r"experts\.down_proj", lambda _: (16, 12, 3)),
        says=r"experts\.\w+_proj.*\((24, 16|16, 12), 3\)",
    ),
    "fused_experts_of_another_width": alien(
        fused_moe(),
        reshape(r"experts\.gate_up_proj", lambda _: (3, 48, 16)),
        reshape(r"experts\.down_proj", lambda _: (3, 16, 24)),
        says="moe_intermediate_size=12.*24",
    ),
    "fused_pair_of_experts_halved": alien(
        fused_moe(), reshape("gate_up_proj", lambda _: (3, 12, 16)), says=r"experts\.gate_up_proj.*\(3, 12, 16\)"
    ),
    "fused_experts_of_different_number": alien(
        fused_moe(), reshape(r"experts\.down_proj", lambda _: (2, 16, 12)), says=r"experts\.down_proj.*\(2, 16, 12\)"
    ),
    "two_dimensions_for_three": alien(
        fused_moe(),
        reshape(r"experts\.\w+_proj", lambda shape: shape[1:]),
        says=r"experts\.\w+_proj.*\((24, 16|16, 12)\)",
    ),
    "four_dimensions_for_three": alien(
        fused_moe(), reshape(r"experts\.\w+_proj", lambda shape: (1, *shape)), says=r"experts\.\w+_proj.*\(1, 3, "
    ),
    "three_dimensions_for_one_expert": alien(
        moe(), reshape(r"experts\.1\.\w+_proj", lambda shape: (2, *shape)), says=r"experts\.1\.\w+_proj.*\(2, "
    ),
    "no_experts_in_three_dimensions": alien(
        fused_moe(),
        unsay("num_experts"),
        reshape(r"experts\.\w+_proj", lambda shape: (0, *shape[1:])),
        says=r"experts\.\w+_proj.*\(0, ",
    ),
    "experts_without_neurons": alien(
        moe(),
        unsay("moe_intermediate_size"),
        reshape(r"experts\.1\.(gate|up)_proj", lambda _: (0, 16)),
        reshape(r"experts\.1\.down_proj", lambda _: (16, 0)),
        says=r"experts\.1\.\w+_proj.*\(0, 16\)",
    ),
    "experts_fused_and_one_by_one": alien(
        fused_moe(),
        *(
            add_tensor(f"model.layers.0.{name}", shape)
            for expert in range(3)
            for name, shape in gated(f"mlp.experts.{expert}", D_EXPERT).items()
        ),
        says=r"layers\.0\b.*mlp\.experts\.",
    ),
    "biases_of_experts_too_few": alien(
        gpt_oss(), reshape("gate_up_proj_bias", lambda _: (2, 24)), says=r"experts\.gate_up_proj_bias.*\(2, 24\)"
    ),
    "experts_that_read_a_latent_space": alien(
        moe("tomorrow_lm"),
        *(
            add_tensor(f"model.layers.{layer}.mlp.{name}_latent.weight", shape)
            for layer in (0, 1)
            for name, shape in {"to": (8, D_MODEL), "from": (D_MODEL, 8)}.items()
        ),
        reshape(r"experts\.\d\.(gate|up)_proj", lambda _: (12, 8)),
        reshape(r"experts\.\d\.down_proj", lambda _: (8, 12)),
        says="latent|norm|wide|hidden_size",
    ),
    "dense_layers_plain_and_experts_fused_in_an_unknown_type": alien(
        model_of(
            "tomorrow_lm",
            {
                **PRE_NORMS,
                "mlp.experts.gate_up_proj": (3, 2 * D_EXPERT, D_MODEL),
                "mlp.experts.down_proj": (3, D_MODEL, D_EXPERT),
            },
        ),
        drop(r"layers\.0\.mlp"),
        *(add_tensor(f"model.layers.0.{name}", shape) for name, shape in gated("mlp").items()),
        says=r"layers\.1\b.*experts\.gate_up_proj",
    ),
    "plain_names_lie_in_an_adapter_of_experts": alien(
        llama("tomorrow_lm"),
        *(add_tensor(f"model.layers.1.mlp.expert_{side}.weight", (4, 16)) for side in ("a", "b")),
        says=r"layers\.1\b.*mlp\.expert_a\.weight",
    ),
}
