"""Blocks gathered into rows, in words; and the units of the largest checkpoint there is."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from gated_ray.architectures.finding import find_architecture
from gated_ray.cluster.units import split_into_units
from gated_ray.inspection.descriptions import Row, Scale, Shift
from gated_ray.inspection.layout import lines_of
from gated_ray.inspection.models import Inspection, inspect_model
from gated_ray.inspection.wording import layer_ranges, sentences
from gated_ray.settings import ClusterSettings, InspectSettings
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.store.keys import Partition
from tests.checkpoints.deepseek_v3 import DENSE_LAYERS, EXPERTS, LAYERS, hollow_deepseek_v3, tensors
from tests.checkpoints.raw_safetensors import StoredTensor, pack, unpack
from tests.checkpoints.sound import sound_checkpoint
from tests.checkpoints.tiny import CASES, D_MLP, D_MODEL, tiny_checkpoint

_GIB = 1 << 30


def inspected(folder: Path) -> Inspection:
    return inspect_model(str(folder), InspectSettings())


def in_words(folder: Path) -> list[list[str]]:
    return [sentences(row.description) for row in inspected(folder).rows]


def tiny(folder: Path, case: str) -> Path:
    model_type, overrides = CASES[case]
    tiny_checkpoint(folder, model_type, **overrides)
    return folder


def saved(folder: Path, model_type: str, **config: object) -> Path:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "vocab_size": 64}
    AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **sizes, **config)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([7], "7"),
        ([0, 1], "0-1"),
        ([3, 4, 5, 60], "3-5 60"),
        ([0, 1, 2, 4, 5, 6], "0-2 4-6"),
        ([1, 3, 5, 7], "1,3..7"),
        ([1, 3], "1 3"),
        ([1, 3, 6], "1 3 6"),
        ([0, 2, 4, 5], "0 2 4-5"),
    ],
)
def test_ranges_of_layers(layers: list[int], words: str) -> None:
    assert layer_ranges(layers) == words


@given(st.lists(st.integers(0, 40), min_size=1, unique=True).map(sorted))
def test_ranges_say_every_layer_once(layers: list[int]) -> None:
    named: list[int] = []
    for words in layer_ranges(layers).split():
        if ".." in words:
            first, second, last = map(int, words.replace("..", ",").split(","))
            named += range(first, last + 1, second - first)
        else:
            first, _, last = words.partition("-")  # type: ignore[assignment]
            named += range(int(first), int(last or first) + 1)
    assert named == layers


def test_gains_of_one_plus_w_and_norms_that_follow(tmp_path: Path) -> None:
    assert in_words(tiny(tmp_path / "model", "gemma2")) == [
        [
            "model.layers.N.mlp.{gate_proj,up_proj,down_proj}.weight, stored as F32",
            "reads RMSNorm(x) * (1 + pre_feedforward_layernorm.weight)",
            "neuron: gelu_pytorch_tanh(gate) * in",
            "writes its output * (1 + post_feedforward_layernorm.weight)",
        ]
    ]


def test_a_plain_block_with_biases_the_other_way_round(tmp_path: Path) -> None:
    assert in_words(tiny(tmp_path / "model", "gpt2")) == [
        [
            "transformer.h.N.mlp.{c_fc,c_proj}.weight (inputs x outputs), stored as F32",
            "reads LayerNorm(x), centred, * ln_2.weight; bias ln_2.bias",
            "neuron: gelu_new(in); bias mlp.c_fc.bias",
            "writes its output; bias mlp.c_proj.bias",
        ]
    ]


def test_several_biases_of_a_neuron_are_a_list_and_a_fused_one_stands_there_once(tmp_path: Path) -> None:
    (row,) = inspected(sound_checkpoint(tmp_path / "model")).rows
    gate, up = Shift("model.layers.N.mlp.gate_proj.bias", "gate"), Shift("model.layers.N.mlp.up_proj.bias", "in")
    *_, apart = sentences(replace(row.description, biases=(gate, up)))
    *_, fused = sentences(replace(row.description, biases=(gate, replace(gate, role="in"))))
    assert apart == "neuron: silu(gate) * in; biases mlp.gate_proj.bias, mlp.up_proj.bias"
    assert fused == "neuron: silu(gate) * in; bias mlp.gate_proj.bias"


def test_norms_without_weights_and_no_norm(tmp_path: Path) -> None:
    (olmo,), (bert,) = in_words(tiny(tmp_path / "olmo", "olmo")), in_words(tiny(tmp_path / "bert", "bert"))
    assert "reads LayerNorm(x), centred, without weights" in olmo
    assert "reads the raw residual stream" in bert


def test_both_stacks_of_an_encoder_decoder(tmp_path: Path) -> None:
    found = inspected(tiny(tmp_path / "model", "t5_gated"))
    assert {(row.description.component, row.layers) for row in found.rows} == {
        ("encoder_mlp", (0, 1)),
        ("decoder_mlp", (0, 1)),
    }
    assert (found.blocks, found.neurons) == (4, 4 * D_MLP)
    assert {row.description.d_model for row in found.rows} == {D_MODEL}


def test_interleaved_experts_in_one_tensor(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "gpt_oss", num_local_experts=4, num_hidden_layers=2, num_key_value_heads=1)
    found = inspected(folder)
    (row,) = found.rows
    assert (row.experts, row.layers, row.blocks, row.description.neurons) == (4, (0, 1), 8, 64)
    assert row.description.fused == "interleaved, gate first"
    assert sentences(row.description)[0] == (
        "model.layers.N.mlp.experts.{gate_up_proj,down_proj} "
        "(gate and up fused, interleaved, gate first, all experts in one tensor, inputs x outputs), stored as F32"
    )


def test_constant_factors_and_norms_over_neurons_in_words(tmp_path: Path) -> None:
    (row,) = inspected(sound_checkpoint(tmp_path / "model")).rows
    made_up = replace(
        row.description,
        gate_multiplier=0.25,
        multiplier=0.5,
        inner_norm=Scale("model.layers.N.mlp.sub_norm.weight", "w"),
        write=(Scale("model.layers.N.alpha", "tanh"),),
        activation=None,
    )
    assert sentences(made_up)[1:] == [
        "reads RMSNorm(x) * post_attention_layernorm.weight; gate times 0.25",
        "neuron: act(gate) * in; config.json does not name act; norm over the neurons * mlp.sub_norm.weight",
        "writes its output * tanh(alpha) * 0.5",
    ]


@pytest.fixture
def wordy(tmp_path: Path) -> Inspection:
    """Of everything more than fits in a line, with names that have hyphens."""
    model = inspected(sound_checkpoint(tmp_path / "model"))
    (row,) = model.rows
    experts = replace(
        row.description,
        component="expert",
        neurons=18432,
        gate="model.language-model.layers.N.experts.E.w1.weight",
        w_in="model.language-model.layers.N.experts.E.w3.weight",
        w_out="model.language-model.layers.N.experts.E.w2.weight",
        write=tuple(Scale(f"model.layers.N.norm-after-the-experts.{index}.weight", "1+w") for index in range(8)),
        biases=tuple(Shift(f"model.layers.N.some-experts.{index}.bias", "gate") for index in range(20)),
    )
    uneven = tuple(layer for layer in range(90) if layer % 7 in (1, 3, 4))
    return replace(
        model,
        reference="./wordy",
        rows=(row, Row(experts, uneven, experts=256, bytes=653_000_000_000)),
        left_out=tuple(f"model.vision-tower.blocks.{index}" for index in range(40)),
        caveat="of such a model there is a lot to be said " * 6 + "indeed",
    )


def facts(row: Row) -> list[str]:
    words = f"layers {layer_ranges(row.layers)} {row.description.component}"
    words += "" if row.experts is None else f" x {row.experts}"
    return (
        f"{words} {row.description.neurons} neurons d_model {row.description.d_model} {row.bytes / 1e9:.3f} GB".split()
    )


@pytest.mark.parametrize("width", [80, 120, 200])
def test_lines_are_folded_to_the_width_between_words(wordy: Inspection, width: int) -> None:
    lines = lines_of(wordy, width)
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip() or not line] == []
    assert lines[0] == "./wordy: read by the rules of llama"
    words = " ".join(lines[1:]).split()
    for row in wordy.rows:
        about = facts(row)
        assert sorted(words[: len(about)]) == sorted(about)
        said = " ".join(sentences(row.description)).split()
        assert words[len(about) :][: len(said)] == said
        words = words[len(about) + len(said) :]
    out = f"left out, no part of the text backbone: {', '.join(wordy.left_out)} note: {wordy.caveat}".split()
    assert words[: len(out)] == out


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_whole_width_is_used(wordy: Inspection, width: int) -> None:
    lines = lines_of(wordy, width)
    indents = [len(line) - len(line.lstrip()) for line in lines]
    folded = [
        pair for pair, found in zip(pairwise(lines), pairwise(indents), strict=True) if found in ((6, 10), (10, 10))
    ]
    assert folded
    for line, following in folded:
        assert len(line) + 1 + len(following.split()[0]) > width


@pytest.mark.parametrize("width", [80, 120, 200])
def test_facts_are_in_columns(wordy: Inspection, width: int) -> None:
    mlp, experts = (line for line in lines_of(wordy, width) if line.startswith("  layers "))
    assert mlp.index("mlp") == experts.index("expert x 256")
    assert mlp.index(" neurons  d_model 32  ") == experts.index(" neurons  d_model 32  ")
    assert len(mlp) == len(experts)


def test_a_name_that_is_longer_than_the_line_is_the_only_one_that_is_broken(wordy: Inspection) -> None:
    name = "a-name." * 40
    lines = lines_of(replace(wordy, left_out=("vision-tower", name, "audio-tower")), 80)
    assert max(map(len, lines)) <= 80
    assert f"backbone:vision-tower,{name},audio-tower" in "".join(lines).replace(" ", "")
    assert any("vision-tower," in line for line in lines)
    assert any("audio-tower" in line for line in lines)


def test_a_pipe_gets_a_line_a_kind_of_block_that_names_the_model(wordy: Inspection) -> None:
    title, *lines = lines_of(wordy, None)
    assert title == "./wordy: read by the rules of llama"
    assert all(line.startswith("./wordy: ") and line == " ".join(line.split()) for line in lines)
    for line, row in zip(lines, wordy.rows, strict=False):
        assert line.startswith(f"./wordy: layers {layer_ranges(row.layers)}, {row.description.component}")
        assert line.endswith("; ".join(sentences(row.description)))
    assert [line.split()[1] for line in lines] == ["layers", "layers", "left", "note:", "9,986", "a"]


def test_layers_of_two_kinds_in_turns(tmp_path: Path) -> None:
    folder = saved(
        tmp_path / "model", "jamba", num_experts=4, num_hidden_layers=9, mamba_d_state=4, mamba_dt_rank=4,
        num_key_value_heads=1,
    )  # fmt: skip
    rows = inspected(folder).rows
    kinds = {(row.description.component, layer_ranges(row.layers), row.experts) for row in rows}
    assert kinds == {("mlp", "0,2..8", None), ("expert", "1,3..7", 4)}


def test_experts_that_are_stored_differently_are_rows_of_their_own(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "mixtral", num_local_experts=4, num_hidden_layers=2, num_key_value_heads=1)
    stored = unpack(folder / "model.safetensors")
    name = next(name for name in stored if ".1." in name and name.endswith("experts.2.w1.weight"))
    stored[name] = StoredTensor("BF16", stored[name].shape, stored[name].data[: len(stored[name].data) // 2])
    pack(folder / "model.safetensors", stored)
    rows = inspected(folder).rows
    assert [(row.experts, row.layers, row.description.dtypes) for row in rows] == [
        (4, (0,), ("F32",)),
        (3, (1,), ("F32",)),
        (1, (1,), ("BF16", "F32")),
    ]


def test_units_follow_the_settings(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "mixtral", num_local_experts=4, num_hidden_layers=2, num_key_value_heads=1)
    expert = 3 * 64 * 32 * 4
    norm = 32 * 4
    whole, halves, tight = (
        inspect_model(str(folder), InspectSettings(cluster=ClusterSettings(max_unit_bytes=most)))
        for most in (_GIB, 2 * expert + norm, 1)
    )
    assert [row.bytes for row in whole.rows] == [2 * (4 * expert + norm)]
    assert whole.bytes == 2 * (4 * expert + norm)
    assert tight.bytes == 8 * (expert + norm)
    assert (whole.units, whole.largest_unit) == (2, 4 * expert + norm)
    assert (halves.units, halves.largest_unit) == (4, 2 * expert + norm)
    assert (tight.units, tight.largest_unit, tight.max_unit_bytes) == (8, expert + norm, 1)


def test_a_folder_has_no_revision_to_show(tmp_path: Path) -> None:
    assert inspected(sound_checkpoint(tmp_path / "model")).revision is None


@pytest.mark.slow
def test_every_expert_of_deepseek_v3_is_in_one_unit(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(hollow_deepseek_v3(tmp_path / "DeepSeek-V3")))
    found = find_architecture(checkpoint)
    partition = Partition("DeepSeek-V3", "local", "paper")
    units = split_into_units(partition, checkpoint.location, found.blocks, _GIB, identity={})
    moe = range(DENSE_LAYERS, LAYERS)
    expected: set[tuple[int, str, int | None]] = {(layer, "mlp", None) for layer in range(DENSE_LAYERS)}
    expected |= {(layer, "shared_expert", None) for layer in moe}
    expected |= {(layer, "expert", expert) for layer in moe for expert in range(EXPERTS)}
    held = Counter((block.layer, block.component, block.expert) for unit in units for block in unit.blocks)
    assert held == dict.fromkeys(expected, 1)
    assert max(unit.bytes for unit in units) <= _GIB
    assert len({unit.key for unit in units}) == len(units)
    wanted = {
        name
        for name, _, _ in tensors()
        if "_proj.weight" in name and ".mlp." in name and f"layers.{LAYERS}." not in name
    }
    read = Counter(
        part.record.name
        for unit in units
        for block in unit.blocks
        for part in block.slices
        if part.record.name.endswith(("_proj.weight", "_scale_inv"))
    )
    assert read == dict.fromkeys(wanted, 1)
