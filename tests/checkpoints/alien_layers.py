"""Layers lost, left over, misnumbered, or under several names."""

from tests.checkpoints.alien_case import Alien, alien
from tests.checkpoints.raw_models import (
    add_tensor,
    drop,
    edited,
    llama,
    rename,
    reshape,
    say,
    unsay,
)

_MLP = r"layers\.0\.mlp\."
_NO_SIZES = unsay("hidden_size", "intermediate_size")

LAYERS: dict[str, Alien] = {
    "layer_missing_in_the_middle": alien(
        llama(num_hidden_layers=3),
        rename(r"layers\.1\.", "layers.2."),
        says=r"num_hidden_layers=3\b.*layers\.1 is missing",
    ),
    "last_layer_missing": alien(llama(), drop(r"layers\.1\."), says=r"num_hidden_layers=2\b.*layers\.1 is missing"),
    "first_layer_missing": alien(
        llama(), rename(r"layers\.1\.", "layers.2."), drop(r"layers\.0\."), says=r"layers\.0 is missing"
    ),
    "layers_counted_from_one": alien(
        llama(), rename(r"layers\.1\.", "layers.2."), rename(r"layers\.0\.", "layers.1."), says=r"layers\.0 is missing"
    ),
    "layer_too_many": alien(llama(num_hidden_layers=1), says=r"num_hidden_layers=1\b.*layers\.1"),
    "layer_without_mlp": alien(llama(), drop(_MLP), says=r"layers\.0\b.*(no MLP|gate_proj)"),
    "one_layer_narrower": alien(
        llama(),
        _NO_SIZES,
        reshape(r"1\.mlp\.(gate|up)_proj", lambda _: (24, 8)),
        reshape(r"1\.mlp\.down", lambda _: (8, 24)),
        reshape(r"1\.post_att", lambda _: (8,)),
        says=r"layers\.1\.mlp\.\w+_proj\.weight",
    ),
    "tensor_parallel_half": alien(
        llama(),
        reshape(r"mlp\.(gate|up)_proj", lambda _: (12, 16)),
        reshape(r"mlp\.down", lambda _: (16, 12)),
        says="intermediate_size=24.*has 12",
    ),
    "layers_without_a_stack": alien(
        llama("tomorrow_lm"), rename(r"^model\.layers\.", ""), says=r"mlp\.gate_proj\.weight"
    ),
    "layers_without_numbers": alien(
        edited(llama("tomorrow_lm"), drop(r"layers\.1\.")),
        rename(r"layers\.0\.", "layers.only."),
        says=r"layers\.only\.mlp\.gate_proj\.weight",
    ),
    "layers_shared": alien(
        llama("albert_glu", num_hidden_layers=12), drop(r"layers\.1\."), says=r"num_hidden_layers=12\b.*layers\.1"
    ),
    "stacks_of_equal_depth": alien(
        llama("tomorrow_lm"),
        *(
            add_tensor(name.replace("model.", "draft_model."), shape)
            for name, shape in llama().shapes.items()
            if "layers" in name
        ),
        says=r"draft_model\.layers, model\.layers",
    ),
    "stacks_that_the_config_does_not_count": alien(
        llama("tomorrow_lm"),
        unsay("num_hidden_layers"),
        *(
            add_tensor(name.replace("model.", "draft_model."), shape)
            for name, shape in llama().shapes.items()
            if "layers.0" in name
        ),
        says=r"draft_model\.layers, model\.layers",
    ),
    "stack_in_two_parts": alien(
        llama("tomorrow_lm"),
        rename(r"model\.layers\.1\.", "model.tail.0."),
        says=r"model\.layers.*(model\.tail|model\.layers\.1)",
    ),
    "layers_within_layers": alien(
        llama("tomorrow_lm"),
        rename(r"layers\.(\d)\.(mlp|self_attn|\w+norm)", r"layers.0.blocks.\1.\2"),
        say(num_hidden_layers=1),
        says=r"blocks|norm",
    ),
}
