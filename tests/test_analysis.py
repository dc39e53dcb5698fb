"""`gated_ray.analyze`: its tables, what they say about where the numbers come from, and how it fails."""

import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
import torch

from gated_ray import analysis, measurement
from gated_ray.analysis import analyze
from gated_ray.architectures.blocks import Block
from gated_ray.architectures.evidence import CAVEAT_BY_NAMES
from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import CheckpointError, GatedRayError, InputError
from gated_ray.measurement import LoadedBlock, load_block, measure_block
from gated_ray.settings import ProfileSettings
from gated_ray.sources.buffers import Allocate
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from gated_ray.sources.origin import Origin
from gated_ray.store.schemas import LAYERS, NEURONS
from gated_ray.vocabulary import COSINES, IO_CLASSES, PLAIN_CLASSES
from tests.checkpoints.broken import BROKEN
from tests.checkpoints.planted_experts import expert_tables, plant_experts
from tests.checkpoints.raw_safetensors import StoredTensor, unpack
from tests.checkpoints.sound import D_MLP, D_MODEL, LAST, edit_tensor, set_config, sound_checkpoint
from tests.checkpoints.tiny import tiny_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_tables_have_the_datasets_schemas(folder: Path) -> None:
    for regions in ("none", "sampled", "exact"):
        geometry = analyze(str(folder), regions=regions)
        assert geometry.neurons.schema.equals(NEURONS, check_metadata=True)
        assert geometry.layers.schema.equals(LAYERS, check_metadata=True)
        geometry.neurons.validate(full=True)
        geometry.layers.validate(full=True)


def test_one_row_a_neuron_and_one_a_block_in_order(tmp_path: Path) -> None:
    tiny_checkpoint(tmp_path, "t5", num_decoder_layers=3)
    geometry = analyze(str(tmp_path), regions="none")
    stacks = ("decoder_mlp", "encoder_mlp")
    blocks = [(component, layer) for layer in range(3) for component in stacks[: 2 if layer < 2 else 1]]
    layers = geometry.layers
    assert list(zip(layers["component"].to_pylist(), layers["layer"].to_pylist(), strict=True)) == blocks
    neurons = geometry.neurons
    columns = (neurons[name].to_pylist() for name in ("component", "layer", "neuron"))
    assert list(zip(*columns, strict=True)) == [(*block, neuron) for block in blocks for neuron in range(64)]
    assert neurons["expert"].null_count == len(neurons)


def test_partition_columns(tmp_path: Path) -> None:
    folder = sound_checkpoint(tmp_path / "a model")
    geometry = analyze(str(folder), "residual", regions="none")
    for table in (geometry.neurons, geometry.layers):
        assert table["model_name"].unique().to_pylist() == ["a model"]
        assert table["model_revision"].unique().to_pylist() == ["local"]
        assert table["profile_name"].unique().to_pylist() == ["residual"]
    assert (geometry.name, geometry.revision, geometry.profile) == ("a model", "local", "residual")
    assert geometry.config["model_type"] == "llama"


def test_repr_names_the_model_and_its_size(folder: Path) -> None:
    shown = repr(analyze(str(folder), regions="none"))
    assert shown == "ModelGeometry('sound', 'local', 'paper', 2 blocks, 88 neurons)"


def test_repr_counts_experts(tmp_path: Path) -> None:
    folder = plant_experts(tmp_path / "moe", "gpt_oss", expert_tables(1, 4, 66), d_model=32)
    geometry = analyze(str(folder), regions="none")
    assert repr(geometry).endswith(f"4 blocks (4 of them experts), {4 * 66} neurons)")


def test_how_the_model_was_read_is_told(folder: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = analyze(str(folder), regions="none")
    assert (known.model_type, known.resolved_by, known.caveat) == ("llama", "rules", None)
    assert (known.left_out, known.quantization) == ((), ())

    set_config(folder, model_type="osprey")
    with pytest.warns(UserWarning, match="^sound: ") as warned:
        unknown = analyze(str(folder), regions="none")
    assert (unknown.model_type, unknown.resolved_by, unknown.caveat) == ("osprey", "names", CAVEAT_BY_NAMES)
    (warning,) = warned
    said = f"sound: read by the names of its tensors (model_type osprey); {CAVEAT_BY_NAMES}"
    assert (str(warning.message), warning.filename) == (said, __file__)

    rules = tmp_path / "rules.toml"
    rules.write_text('[[family]]\ntypes = ["osprey"]\ncaveat = "it reads two streams"\n')
    with pytest.warns(UserWarning, match="^sound: it reads two streams$"):
        assert analyze(str(folder), regions="none", architectures=rules).resolved_by == "extra"


def test_columns_of_a_gated_and_of_a_plain_block(folder: Path, tmp_path: Path) -> None:
    tiny_checkpoint(tmp_path / "plain", "gpt2")
    gated, plain = (analyze(str(path), regions="none") for path in (folder, tmp_path / "plain"))
    assert gated.layers["gated"].to_pylist() == [True, True]
    assert plain.layers["gated"].to_pylist() == [False, False]
    for name in (*COSINES, "norm_gate", "norm_in", "norm_out", "io_class"):
        is_gates = "gate" in name
        assert gated.neurons[name].null_count == 0
        assert plain.neurons[name].null_count == (len(plain.neurons) if is_gates else 0)
    assert set(plain.neurons["sign"].to_pylist()) == {1}
    assert set(gated.neurons["sign"].to_pylist()) == {-1, 1}
    for name in IO_CLASSES:
        assert (plain.layers[name].null_count == 2) == (name not in PLAIN_CLASSES)
    assert gated.layers["d_model"].to_pylist() == [D_MODEL] * 2
    assert gated.layers["neurons"].to_pylist() == [D_MLP] * 2


def test_layers_are_summaries_of_the_neurons(folder: Path) -> None:
    geometry = analyze(str(folder))
    for row in geometry.layers.to_pylist():
        neurons = geometry.neurons.filter(np.equal(geometry.neurons["layer"], row["layer"]))
        classes = neurons["io_class"].to_pylist()
        assert {name: row[name] for name in IO_CLASSES} == {name: classes.count(name) for name in IO_CLASSES}
        for cosine in COSINES:
            values = neurons[cosine].to_numpy()
            assert row[f"{cosine}_median"] == pytest.approx(np.median(values.astype(float)))
        in_out = neurons["cos_in_out"].to_numpy()
        low, high = row["mismatched_in_out_low"], row["mismatched_in_out_high"]
        assert row["outside_mismatched_in_out"] == ((in_out < low) | (in_out > high)).mean()
        assert sum(row["cos_in_out_histogram"]) == D_MLP


@pytest.mark.parametrize(
    ("regions", "seed", "pairs"), [("none", None, None), ("sampled", 0, 44 * 43), ("exact", None, 44 * 43)]
)
def test_how_the_regions_were_made_is_recorded(folder: Path, regions: str, seed: int | None, pairs: int | None) -> None:
    layers = analyze(str(folder), regions=regions).layers
    assert layers["mismatched_regions"].unique().to_pylist() == [regions]
    assert layers["mismatched_seed"].unique().to_pylist() == [seed]
    assert layers["mismatched_pairs"].unique().to_pylist() == [pairs]
    assert (layers["mismatched_gate_in_high"].null_count == 2) == (regions == "none")


def test_bytes_read_are_those_of_the_blocks(folder: Path) -> None:
    stored = [unpack(path) for path in folder.glob("*.safetensors")]
    names = [f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")] + ["post_attention_layernorm.weight"]
    expected = [
        sum(
            len(shard[key].data)
            for shard in stored
            for name in names
            if (key := f"model.layers.{layer}.{name}") in shard
        )
        for layer in range(2)
    ]
    assert analyze(str(folder), regions="none").layers["bytes_read"].to_pylist() == expected


def _digests(folder: Path) -> list[str]:
    return analyze(str(folder), regions="none").layers["digest"].to_pylist()


@pytest.mark.parametrize("name", ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "post_attention_layernorm"])
def test_digest_changes_with_any_weight_of_its_block(folder: Path, name: str) -> None:
    before = _digests(folder)
    assert before[0] != before[1]
    assert all(len(digest) == 16 for digest in before)

    def edit(tensor: StoredTensor) -> StoredTensor:
        return StoredTensor(
            tensor.dtype, tensor.shape, tensor.data[:-2] + bytes([tensor.data[-2] ^ 1, tensor.data[-1]])
        )

    edit_tensor(folder, f"model.layers.1.{name}.weight", edit)
    after = _digests(folder)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_digest_does_not_depend_on_shards(tmp_path: Path) -> None:
    for size in ("1GB", "8KB"):
        tiny_checkpoint(tmp_path / size, "llama", max_shard_size=size)
    assert not (tmp_path / "8KB/model.safetensors").exists()
    assert _digests(tmp_path / "1GB") == _digests(tmp_path / "8KB")


def test_digest_tells_equal_matrices_in_other_places_apart(folder: Path) -> None:
    """gate and up exchanged: the same bytes in all, other numbers."""
    before = _digests(folder)
    gate, up = (f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up"))
    stored = {name: tensor for path in folder.glob("*.safetensors") for name, tensor in unpack(path).items()}
    edit_tensor(folder, gate, lambda _: stored[up])
    edit_tensor(folder, up, lambda _: stored[gate])
    assert _digests(folder)[0] != before[0]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_checkpoints_are_one_clear_line(folder: Path, name: str) -> None:
    BROKEN[name](folder)
    with pytest.raises(GatedRayError) as refused:
        analyze(str(folder), regions="none")
    message = str(refused.value)
    assert isinstance(refused.value, InputError)
    assert "\n" not in message
    assert str(folder) in message
    for word in BROKEN[name].words:
        assert word.lower() in message.lower()


@pytest.mark.parametrize("wrong", [{"profile": "papers"}, {"regions": "some"}])
def test_unknown_choices(folder: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong.values()))):
        analyze(str(folder), **wrong)


def test_an_error_while_reading_comes_out_as_it_is(folder: Path) -> None:
    """The shard of layer 1 changes while layer 0 is measured."""
    changed = threading.Event()

    def loading(origin: Origin, block: Block, allocate: Allocate) -> LoadedBlock:
        assert block.layer == 0 or changed.wait(10)
        return load_block(origin, block, allocate)

    def measuring(*arguments: Any) -> tuple[pa.Table, pa.Table]:
        (folder / LAST).write_bytes(b"")
        changed.set()
        return measure_block(*arguments)

    with (
        mock.patch.object(analysis, "load_block", loading),
        mock.patch.object(analysis, "measure_block", measuring),
        pytest.raises(CheckpointError, match=LAST),
    ):
        analyze(str(folder), regions="none")


def test_an_error_while_measuring_comes_out_and_reading_ends(folder: Path) -> None:
    threads = threading.active_count()
    with (
        mock.patch.object(analysis, "measure_block", side_effect=MemoryError("no room")),
        pytest.raises(MemoryError, match="no room"),
    ):
        analyze(str(folder), regions="none")
    assert threading.active_count() == threads


@pytest.mark.parametrize("threads", [1, 3])
def test_some_blocks_are_read_while_others_are_measured_but_not_many(
    tmp_path: Path, three_threads: None, threads: int
) -> None:
    torch.set_num_threads(threads)
    tiny_checkpoint(tmp_path, "llama", num_hidden_layers=6)
    begun = [threading.Event() for _ in range(6)]
    under_way: set[int] = set()
    most = 0

    def loading(origin: Origin, block: Block, allocate: Allocate) -> LoadedBlock:
        nonlocal most
        under_way.add(block.layer)
        most = max(most, len(under_way))
        begun[block.layer].set()
        return load_block(origin, block, allocate)

    def measuring(loaded: LoadedBlock, *rest: Any) -> tuple[pa.Table, pa.Table]:
        layer = loaded.block.layer
        assert layer > 0 or begun[1].wait(30)
        measured = measure_block(loaded, *rest)
        under_way.discard(layer)
        return measured

    with (
        mock.patch.object(analysis, "load_block", loading),
        mock.patch.object(analysis, "measure_block", measuring),
    ):
        assert analyze(str(tmp_path), regions="none").layers["layer"].to_pylist() == list(range(6))
    assert 2 <= most <= max(2, threads)


def test_short_work_shows_no_progress(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    analyze(str(folder))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("terminal", [True, False])
def test_long_work_shows_progress_in_a_terminal_only(
    folder: Path, terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with mock.patch.object(analysis, "_PROGRESS_AFTER_SECONDS", 0):
        analyze(str(folder), regions="none")
    out, err = capsys.readouterr()
    assert out == ""
    assert ("sound" in err) == terminal
    assert terminal or err == ""


def test_a_worker_gives_the_matrix_products_all_its_threads(folder: Path, three_threads: None) -> None:
    checkpoint = open_checkpoint(str(folder))
    loaded = measurement.load_block(open_origin(checkpoint.location), find_blocks(checkpoint)[0])
    seen = {}
    for name in ("neuron_geometry", "mismatched_regions"):
        function = getattr(measurement, name)

        def call(*arguments: Any, name: str = name, function: Any = function, **named: Any) -> Any:
            seen[name] = torch.get_num_threads()
            return function(*arguments, **named)

        with mock.patch.object(measurement, name, call):
            measurement.measure_block(loaded, ProfileSettings(regions="exact"), torch.device("cpu"))
    assert seen == {"neuron_geometry": 1, "mismatched_regions": 3}
    assert torch.get_num_threads() == 3


def test_blocks_come_in_order_whatever_order_they_end_in(folder: Path) -> None:
    started = [threading.Event() for _ in range(6)]

    def work(number: int) -> int:
        started[number].set()
        if number % 2 == 0 and number < 4:  # ends after the next one began
            assert started[number + 1].wait(30)
        return number

    assert list(analysis._several_at_once(work, range(6), 2)) == list(range(6))


@pytest.mark.parametrize("regions", ["none", "exact"])
def test_small_operations_stay_in_one_thread(folder: Path, three_threads: None, regions: str) -> None:
    """Else torch's threads spin for each other after every one of them; `analyze` measures blocks side by side instead."""
    seen: dict[str, set[int]] = {"neuron_geometry": set(), "mismatched_regions": set()}

    def watched(name: str) -> Any:
        function = getattr(measurement, name)

        def call(*arguments: Any, **named: Any) -> Any:
            seen[name].add(torch.get_num_threads())
            return function(*arguments, **named)

        return mock.patch.object(measurement, name, call)

    with watched("neuron_geometry"), watched("mismatched_regions"):
        analyze(str(folder), regions=regions)
    assert seen == {"neuron_geometry": {1}, "mismatched_regions": {1} if regions == "exact" else set()}
    assert torch.get_num_threads() == 3


def test_threads_are_given_back_after_an_error(folder: Path, three_threads: None) -> None:
    with mock.patch.object(measurement, "neuron_geometry", side_effect=MemoryError), pytest.raises(MemoryError):
        analyze(str(folder), regions="none")
    assert torch.get_num_threads() == 3
