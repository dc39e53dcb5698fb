"""What was understood of a model is part of its numbers' identity; users' rules reach the plan. No Ray here."""

from dataclasses import replace
from pathlib import Path

import pytest

import gated_ray
from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import find_blocks
from gated_ray.cluster.identity import understanding
from gated_ray.cluster.worker import Worker
from gated_ray.errors import InputError
from gated_ray.settings import ArchitecturesSettings, SweepSettings
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.store.objects import open_objects
from gated_ray.store.profiles import claim_profile
from gated_ray.store.verify import verify_store
from tests.architectures.finding import edit_config, rename_tensors
from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted import plant_checkpoint
from tests.checkpoints.planted_experts import expert_tables, plant_experts
from tests.checkpoints.sound import sound_checkpoint
from tests.cluster.planning import Plan, make_plan
from tests.cluster.sweeping import QUICK, assert_sound, sweep_settings


def with_rules(settings: SweepSettings, file: Path, text: str) -> SweepSettings:
    file.write_text(text)
    return replace(settings, architectures=ArchitecturesSettings(extra=str(file)))


def planned(settings: SweepSettings) -> Plan:
    return make_plan(settings, open_objects(settings.store))


def do(settings: SweepSettings) -> list[str]:
    """Sweep in this process; the models that were measured."""
    claim_profile(open_objects(settings.store), settings.profile)
    plan = planned(settings)
    assert plan.failures == ()
    worker = Worker(settings.store, QUICK, threads=1)
    measured = []
    for model in plan.models:
        for unit in model.remaining:
            assert worker.measure(unit).error is None
            measured.append(model.partition.model)
        if not model.is_published:
            assert worker.publish(model.publishing).error is None
    return sorted(set(measured))


def test_a_changed_rule_measures_its_models_again_and_no_others(tmp_path: Path) -> None:
    llama = sound_checkpoint(tmp_path / "llama")
    other = tmp_path / "qwen"
    plant_checkpoint(other, {0: dict.fromkeys(CELLS, 4)}, d_model=32, model_type="qwen2")
    settings = sweep_settings(tmp_path / "store", [llama, other])
    assert do(settings) == ["llama", "qwen"]
    assert do(settings) == []
    before = gated_ray.open_store(settings.store.url).neurons("llama").to_table()

    same = with_rules(settings, tmp_path / "a.toml", '[[family]]\ntypes = ["llama"]\nproduct = "relu(gate) * in"\n')
    assert do(same) == [], "how gate and in make the activation is no matter of the vectors"
    changed = with_rules(settings, tmp_path / "b.toml", '[[family]]\ntypes = ["llama"]\ngain = "1+w"\n')
    assert do(changed) == ["llama"]
    store = gated_ray.open_store(settings.store.url)
    assert not store.neurons("llama").to_table().equals(before)
    rows = {row["model_name"]: row["resolved_by"] for row in store.models().to_pylist()}
    assert rows == {"llama": "extra", "qwen": "rules"}
    assert_sound(tmp_path / "store", 2)
    assert do(changed) == []
    assert do(settings) == ["llama"]
    assert gated_ray.open_store(settings.store.url).neurons("llama").to_table().equals(before)


def test_units_of_another_understanding_are_found_by_verification(tmp_path: Path) -> None:
    settings = sweep_settings(tmp_path / "store", [sound_checkpoint(tmp_path / "llama")])
    do(settings)
    changed = with_rules(settings, tmp_path / "b.toml", '[[family]]\ntypes = ["llama"]\ngain = "1+w"\n')
    (model,) = planned(changed).models
    assert Worker(settings.store, QUICK, threads=1).measure(model.units[0]).error is None
    (problem,) = verify_store(open_objects(settings.store)).problems
    assert "has other settings than its unit 00000-mlp" in problem.what


def test_rules_of_ones_own_for_a_model_that_nobody_knows(tmp_path: Path) -> None:
    folder = tmp_path / "tomorrow"
    plant_checkpoint(folder, {0: dict.fromkeys(CELLS, 4)}, d_model=32, model_type="llama")
    expected = gated_ray.analyze(str(folder), regions="none").neurons
    rename_tensors(folder, lambda name: name.replace("post_attention_layernorm", "norm_before_mlp"))
    edit_config(folder, model_type="tomorrow")
    settings = sweep_settings(tmp_path / "store", [folder])
    (failure,) = planned(settings).failures
    assert "tomorrow" in failure.message
    assert "architectures.extra" in failure.message

    rules = '[[family]]\ntypes = ["tomorrow"]\npre_norm = "norm_before_mlp.weight"\n'
    assert do(with_rules(settings, tmp_path / "rules.toml", rules)) == ["tomorrow"]
    assert gated_ray.open_store(settings.store.url).neurons().to_table()["cos_in_out"].equals(expected["cos_in_out"])
    for file in (tmp_path / "rules.toml", str(tmp_path / "rules.toml")):
        found = gated_ray.analyze(str(folder), regions="none", architectures=file).neurons
        assert found.equals(expected)
    (row,) = gated_ray.open_store(settings.store.url).models().to_pylist()
    assert (row["model_type"], row["rule"], row["resolved_by"]) == ("tomorrow", "tomorrow", "extra")


def test_a_file_that_is_no_rules_is_named(tmp_path: Path) -> None:
    settings = sweep_settings(tmp_path / "store", [sound_checkpoint(tmp_path / "llama")])
    (failure,) = planned(with_rules(settings, tmp_path / "bad.toml", "[[famly]]\n")).failures
    assert f"architectures.extra={tmp_path / 'bad.toml'}" in failure.message
    with pytest.raises(InputError, match=r"architectures\.extra=.*absent"):
        gated_ray.analyze(str(tmp_path / "llama"), architectures=tmp_path / "absent.toml")


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> list[Block]:
    tables = expert_tables(1, 4, 66)
    folder = plant_experts(tmp_path_factory.mktemp("experts"), "gpt_oss", tables, d_model=32)
    return find_blocks(open_checkpoint(str(folder)))


def test_the_order_of_the_blocks_does_not_matter(experts: list[Block]) -> None:
    assert understanding(experts) == understanding(experts[::-1])


def test_what_shapes_no_number_does_not_count(experts: list[Block]) -> None:
    other = [replace(block, activation="gelu", product="max(gate, in)", biases=()) for block in experts]
    assert understanding(other) == understanding(experts)


def test_everything_that_shapes_numbers_counts(experts: list[Block]) -> None:
    first, second, *rest = experts
    assert first.gate is not None
    assert first.pre_norm is not None
    gate, norm = first.gate, first.pre_norm
    part = gate.stored.parts["weight"]
    changed = [
        experts[1:],
        [replace(first, w_in=first.gate, gate=first.w_in), second, *rest],
        [replace(first, gate=replace(gate, first=1)), second, *rest],
        [replace(first, gate=replace(gate, step=1)), second, *rest],
        [replace(first, gate=replace(gate, neurons_are_rows=True)), second, *rest],
        [replace(first, w_in=second.w_in), second, *rest],
        [replace(first, w_out=second.w_out), second, *rest],
        [replace(first, expert=1), replace(second, expert=0), *rest],
        [replace(first, component="mlp"), second, *rest],
        [replace(first, norm="layer"), second, *rest],
        [replace(first, pre_norm=None), second, *rest],
        [replace(first, pre_norm=replace(norm, kind="1+w")), second, *rest],
        [replace(first, write=(norm,)), second, *rest],
        [replace(first, inner_norm=norm), second, *rest],
        [replace(first, multiplier=0.5), second, *rest],
        [replace(first, gate_multiplier=0.5), second, *rest],
        [replace(first, gate=replace(gate, stored=replace(gate.stored, codec=Codec(4)))), second, *rest],
        [replace(first, gate=replace(gate, stored=replace(gate.stored, codec=Codec(8)))), second, *rest],
        [replace(first, gate=replace(gate, stored=replace(gate.stored, codec=OtherCodec(8)))), second, *rest],
        [replace(first, gate=replace(gate, stored=replace(gate.stored, name="gate"))), second, *rest],
        [replace(first, gate=replace(gate, stored=replace(gate.stored, shape=gate.stored.shape[::-1]))), second, *rest],
        [replace(first, gate=replace(gate, neurons=gate.neurons - 1)), second, *rest],
        *(
            [replace(first, gate=replace(gate, stored=replace(gate.stored, parts=parts))), second, *rest]
            for parts in (
                {"scale": part},
                {"weight": replace(part, name="weight")},
                {"weight": replace(part, dtype="F16")},
                {"weight": replace(part, shape=(part.shape[0], *part.shape[:0:-1]))},
            )
        ),
        *(
            [replace(first, pre_norm=replace(norm, record=record)), second, *rest]
            for record in (
                replace(norm.record, name="norm"),
                replace(norm.record, dtype="F16"),
                replace(norm.record, shape=(1, *norm.record.shape)),
            )
        ),
    ]
    digests = {understanding(blocks) for blocks in [experts, *changed]}
    assert len(digests) == 1 + len(changed)


class Codec:
    """Some way to store weights."""

    format = "made-up"

    def __init__(self, bits: int) -> None:
        self.bits = bits


class OtherCodec(Codec):
    """Another way with the same settings."""
