"""`gated_ray.analyze` against a float64 oracle, against the authors' own numbers, and against planted class tables."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from gated_ray.analysis import ModelGeometry, analyze
from gated_ray.vocabulary import COSINES, IO_CLASSES
from tests.checkpoints.broken import UNUSUAL
from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.hub_names import HUB_STYLES, use_hub_names
from tests.checkpoints.planted import plant_checkpoint, published_table, scaled_table
from tests.checkpoints.reference import reference_geometry, reference_vectors
from tests.checkpoints.sound import sound_checkpoint
from tests.checkpoints.tiny import CASES, tiny_checkpoint
from tests.neurons.pairs import EXACT_ERROR, all_pairs_regions

DATA = Path(__file__).parent / "data"
COSINE_ERROR = 3e-6
NORMS = ("norm_gate", "norm_in", "norm_out")
DTYPES = (torch.bfloat16, torch.float16, torch.float32)


def _blocks(geometry: ModelGeometry) -> Iterator[tuple[tuple[int, str], pa.Table, dict[str, object]]]:
    """Each block's key, its neurons, and its row of the layers table."""
    for row in geometry.layers.to_pylist():
        layer, component = row["layer"], row["component"]
        chosen = np.equal(geometry.neurons["layer"], layer) & np.equal(geometry.neurons["component"], component)
        yield (layer, component), geometry.neurons.filter(chosen), row


def _assert_float64_agrees(folder: Path, profile: str) -> None:
    """Every cosine, norm, sign and class; a sign or a class that hangs on less than the promised accuracy may differ."""
    expected = reference_geometry(folder, profile)
    found = {key: neurons for key, neurons, _ in _blocks(analyze(str(folder), profile, regions="none"))}
    assert found.keys() == expected.keys()
    for key, numbers in expected.items():
        columns = {name: found[key][name].to_numpy(zero_copy_only=False) for name in (*COSINES, *NORMS, "sign")}
        turned = columns["sign"] * numbers["sign"]
        exact = {**numbers, "cos_gate_out": numbers["cos_gate_out"] * turned}
        assert (turned[~(np.abs(exact["cos_gate_in"]) <= COSINE_ERROR)] == 1).all()
        for name in COSINES:
            np.testing.assert_allclose(columns[name], exact[name], rtol=0, atol=COSINE_ERROR, err_msg=f"{key} {name}")
        for name in NORMS:
            np.testing.assert_allclose(columns[name], exact[name], rtol=1e-5, err_msg=f"{key} {name}")
        distances = [np.abs(np.abs(numbers[name]) - 0.5) for name in COSINES]
        clear = ~(np.nanmin([*distances, np.ones_like(turned)], axis=0) <= COSINE_ERROR) & (turned == 1)
        classes = np.array(found[key]["io_class"].to_pylist(), dtype=object)
        assert (classes == numbers["io_class"])[clear].all()
        assert clear.mean() > 0.9


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_every_family_agrees_with_float64(tmp_path: Path, case: str, dtype: torch.dtype) -> None:
    model_type, overrides = CASES[case]
    tiny_checkpoint(tmp_path, model_type, dtype=dtype, **overrides)
    for profile in ("paper", "residual"):
        _assert_float64_agrees(tmp_path, profile)


@pytest.mark.parametrize("style", HUB_STYLES)
def test_names_of_the_hub_agree_with_float64(tmp_path: Path, style: str) -> None:
    tiny_checkpoint(tmp_path, style.removesuffix("_bare"), max_shard_size="8KB")
    use_hub_names(tmp_path, style)
    _assert_float64_agrees(tmp_path, "paper")


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "olmo"])
def test_wide_models_agree_with_float64(tmp_path: Path, model_type: str) -> None:
    sizes = {"n_embd": 2048} if model_type == "gpt2" else {"hidden_size": 2048}
    tiny_checkpoint(tmp_path, model_type, dtype=torch.bfloat16, **sizes)
    for profile in ("paper", "residual"):
        _assert_float64_agrees(tmp_path, profile)


def test_trained_weights_agree_with_float64() -> None:
    for profile in ("paper", "residual"):
        _assert_float64_agrees(DATA / "tiny-docs-llama/main", profile)


def test_the_authors_own_numbers() -> None:
    golden = pq.read_table(DATA / "golden/weights-a.parquet").sort_by([("layer", "ascending"), ("neuron", "ascending")])
    neurons = analyze(str(DATA / "tiny-docs-llama/main"), regions="none").neurons
    for column in ("layer", "neuron", "io_class"):
        assert neurons[column].to_pylist() == golden[column].to_pylist()
    for name in COSINES:
        np.testing.assert_allclose(neurons[name], golden[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("case", "profile", "changed"),
    [
        ("llama", "residual", ()),
        ("gpt2", "residual", ()),
        ("bert", "residual", ()),
        ("gemma2", "residual", ("cos_gate_out", "cos_in_out", "norm_out")),
        ("olmo", "residual", ("cos_gate_in", "cos_gate_out", "norm_gate")),
    ],
)
def test_what_the_profiles_change(tmp_path: Path, case: str, profile: str, changed: tuple[str, ...]) -> None:
    """Gemma-2's norm after the block acts on w_out; OLMo's LayerNorm centres w_gate too."""
    model_type, overrides = CASES[case]
    tiny_checkpoint(tmp_path, model_type, **overrides)
    paper, other = (analyze(str(tmp_path), name, regions="none").neurons for name in ("paper", profile))
    assert tuple(name for name in (*COSINES, *NORMS) if paper[name] != other[name]) == changed


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "gemma2", "mistral"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_planted_class_tables_come_out_in_every_cell(tmp_path: Path, model_type: str, dtype: torch.dtype) -> None:
    counts = {name: 3 + rank for rank, name in enumerate(CELLS)}
    table = {0: counts, 1: dict(zip(CELLS, reversed(counts.values()), strict=True))}
    plant_checkpoint(tmp_path, table, d_model=48, model_type=model_type, dtype=dtype, shards=3)
    _assert_class_table(tmp_path, table)


def test_a_published_class_table_comes_out_in_every_cell(tmp_path: Path) -> None:
    table = scaled_table(published_table("Qwen/Qwen2.5-0.5B"), 256)
    plant_checkpoint(tmp_path, table, d_model=64)
    _assert_class_table(tmp_path, table)


def _assert_class_table(folder: Path, table: dict[int, dict[str, int]]) -> None:
    """By the layers' counts and by the neurons themselves."""
    blocks = list(_blocks(analyze(str(folder), regions="none")))
    assert [key for key, _, _ in blocks] == [(layer, "mlp") for layer in sorted(table)]
    for (layer, _), neurons, row in blocks:
        classes = neurons["io_class"].to_pylist()
        expected = {name: table[layer].get(name, 0) for name in IO_CLASSES}
        assert {name: row[name] for name in IO_CLASSES} == expected
        assert {name: classes.count(name) for name in IO_CLASSES} == expected


@pytest.mark.parametrize("name", ["zero_vectors", "nonfinite_weights"])
def test_neurons_without_a_cosine_are_counted_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    folder = sound_checkpoint(tmp_path)
    UNUSUAL[name](folder)
    expected = reference_geometry(folder)
    for key, neurons, row in _blocks(analyze(str(folder), regions="exact")):
        without = [label is None for label in expected[key]["io_class"]]
        assert [label is None for label in neurons["io_class"].to_pylist()] == without
        assert row["neurons_without_cosine"] == sum(without) == (3 if key == (0, "mlp") else 0)
        assert row["neurons"] == len(without)
        assert row["mismatched_pairs"] == (44 - sum(without)) * (43 - sum(without))
        for cosine in COSINES:
            assert neurons[cosine].null_count == np.isnan(expected[key][cosine]).sum()
            np.testing.assert_allclose(
                neurons[cosine].to_numpy(zero_copy_only=False), expected[key][cosine], rtol=0, atol=COSINE_ERROR
            )
            assert np.isfinite(row[f"{cosine}_mean"])
        missing = {"zero_vectors": 0.0, "nonfinite_weights": None}[name]
        for norm, neuron in zip(NORMS, [0, 1, 2] if missing == 0.0 else [3, 4, 5], strict=True):
            values = neurons[norm].to_pylist()
            assert (values.pop(neuron) == missing) == (key == (0, "mlp"))
            assert all(value is not None and value > 0 for value in values)


def test_a_consolidated_copy_beside_the_checkpoint_is_not_read(tmp_path: Path) -> None:
    folder = sound_checkpoint(tmp_path)
    before = analyze(str(folder), regions="none").neurons
    UNUSUAL["consolidated_beside"](folder)
    assert analyze(str(folder), regions="none").neurons.equals(before)


@pytest.mark.parametrize("profile", ["paper", "residual"])
@pytest.mark.parametrize("case", ["llama", "gemma2", "olmo", "gpt2", "opt_post_norm", "t5_gated"])
def test_mismatched_regions_are_those_of_all_pairs(tmp_path: Path, case: str, profile: str) -> None:
    model_type, overrides = CASES[case]
    tiny_checkpoint(tmp_path, model_type, dtype=torch.bfloat16, **overrides)
    vectors, signs = reference_vectors(tmp_path, profile), reference_geometry(tmp_path, profile)
    for key, _, row in _blocks(analyze(str(tmp_path), profile, regions="exact")):
        gate, w_in, w_out = vectors[key]
        sign = signs[key]["sign"][:, None]
        prepared = [sign * w_in, sign * w_out] if gate is None else [gate, sign * w_in, sign * w_out]
        for name, value in all_pairs_regions(*prepared).items():
            assert row[f"mismatched_{name}"] == pytest.approx(value, abs=EXACT_ERROR)
        assert row["mismatched_pairs"] == 64 * 63
