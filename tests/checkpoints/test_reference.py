"""The oracle against the published code's numbers, and on vectors and families whose answer is known by hand."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.checkpoints.hub_names import HUB_STYLES, use_hub_names
from tests.checkpoints.reference import class_table, neuron_numbers, reference_geometry, reference_vectors
from tests.checkpoints.tiny import CASES, D_MLP, D_MODEL, LAYERS, tiny_checkpoint

DATA = Path(__file__).parents[1] / "data"


def test_golden_numbers_of_the_papers_code() -> None:
    golden = pq.read_table(DATA / "golden/weights-a.parquet")
    geometry = reference_geometry(DATA / "tiny-docs-llama/main")
    layer = golden["layer"].to_numpy()
    assert len(geometry) == len(np.unique(layer)) == 6
    for (number, _), numbers in geometry.items():
        rows = golden.filter(layer == number).sort_by("neuron")
        for cosine in ("cos_gate_in", "cos_gate_out", "cos_in_out"):
            np.testing.assert_allclose(numbers[cosine], rows[cosine].to_numpy(), atol=1e-5, rtol=0)
        assert numbers["io_class"].tolist() == rows["io_class"].to_pylist()


def _vectors_with_cosines(in_out: float, gate_out: float, gate_in: float) -> list[np.ndarray]:
    """w_gate, w_in, w_out, each [1, 3]."""
    gram = np.array([[1, gate_in, gate_out], [gate_in, 1, in_out], [gate_out, in_out, 1]])
    return [row[None] for row in np.linalg.cholesky(gram)]


@pytest.mark.parametrize(
    ("in_out", "gate_out", "gate_in", "io_class", "sign"),
    [
        (0.9, 0.9, 0.9, "enrichment", 1),
        (0.9, -0.9, -0.9, "enrichment", -1),
        (0.6, 0.6, 0.4, "atypical_enrichment", 1),
        (0.6, -0.6, 0.1, "atypical_enrichment", 1),
        (0.6, 0.6, -0.1, "atypical_enrichment", -1),
        (0.9, 0.0, 0.0, "conditional_enrichment", 1),
        (0.7, 0.3, 0.7, "atypical_conditional_enrichment", 1),
        (0.0, 0.9, 0.0, "proportional_change", 1),
        (0.0, -0.9, 0.0, "proportional_change", 1),
        (0.2, 0.6, 0.7, "atypical_proportional_change", 1),
        (0.2, 0.6, -0.55, "atypical_proportional_change", -1),
        (0.2, 0.3, 0.9, "orthogonal_output", 1),
        (-0.9, 0.0, 0.0, "conditional_depletion", 1),
        (-0.7, 0.3, -0.7, "atypical_conditional_depletion", -1),
        (-0.9, -0.9, 0.9, "depletion", 1),
        (-0.9, 0.9, -0.9, "depletion", -1),
        (-0.6, 0.6, -0.4, "atypical_depletion", -1),
        (-0.6, 0.6, 0.05, "atypical_depletion", 1),
    ],
)
def test_class_and_sign(in_out: float, gate_out: float, gate_in: float, io_class: str, sign: int) -> None:
    numbers = neuron_numbers(*_vectors_with_cosines(in_out, gate_out, gate_in))
    assert numbers["io_class"].tolist() == [io_class]
    assert numbers["sign"].tolist() == [sign]
    cosines = [numbers[name][0] for name in ("cos_in_out", "cos_gate_out", "cos_gate_in")]
    np.testing.assert_allclose(cosines, [in_out, sign * gate_out, abs(gate_in)], atol=1e-12)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_vectors_without_a_cosine_have_no_class(bad: float) -> None:
    w_gate, w_in, w_out = (np.random.default_rng(seed).normal(size=(3, 4)) for seed in range(3))
    w_gate[1] = bad
    numbers = neuron_numbers(w_gate, w_in, w_out)
    assert np.isnan(numbers["cos_gate_in"]).tolist() == [False, True, False]
    assert np.isnan(numbers["cos_gate_out"]).tolist() == [False, True, False]
    assert not np.isnan(numbers["cos_in_out"]).any()
    assert [name is None for name in numbers["io_class"]] == [False, True, False]


def test_plain_blocks_have_three_classes() -> None:
    w_in = np.eye(4)[[0, 0, 0, 0]]
    w_out = np.array([[1.0, 1, 0, 0], [1, 2, 0, 0], [1, 1, 1, 1], [-1, 1, 0, 0]])
    numbers = neuron_numbers(None, w_in, w_out)
    assert numbers["cos_in_out"][2] == 0.5
    assert numbers["io_class"].tolist() == ["enrichment", "orthogonal_output", "orthogonal_output", "depletion"]
    assert numbers["sign"].tolist() == [1, 1, 1, 1]
    assert np.isnan(numbers["norm_gate"]).all()


@pytest.mark.parametrize("case", CASES)
def test_every_family_gives_every_neuron(tmp_path: Path, case: str) -> None:
    model_type, overrides = CASES[case]
    tiny_checkpoint(tmp_path, model_type, **overrides)
    geometry = reference_geometry(tmp_path)
    components = ("encoder_mlp", "decoder_mlp") if model_type == "t5" else ("mlp",)
    assert set(geometry) == {(layer, component) for layer in range(LAYERS) for component in components}
    assert all(sum(counts.values()) == D_MLP for counts in class_table(geometry).values())
    assert all(w_in.shape == w_out.shape == (D_MLP, D_MODEL) for _, w_in, w_out in reference_vectors(tmp_path).values())


@pytest.mark.parametrize(
    ("model_type", "changed"),
    [("llama", ""), ("gpt2", ""), ("bert", ""), ("t5", ""), ("olmo", "gate"), ("gemma2", "out")],
)
def test_what_the_profiles_do_differently(tmp_path: Path, model_type: str, changed: str) -> None:
    tiny_checkpoint(tmp_path, model_type)
    paper, residual = (reference_vectors(tmp_path, profile) for profile in ("paper", "residual"))
    for key, vectors in paper.items():
        for name, one, other in zip(("gate", "in", "out"), vectors, residual[key], strict=True):
            assert (one is None and other is None) or np.array_equal(one, other) == (name != changed), name


@pytest.mark.parametrize("style", HUB_STYLES)
def test_hub_names_give_the_same_numbers(tmp_path: Path, style: str) -> None:
    tiny_checkpoint(tmp_path, style.removesuffix("_bare"))
    before = reference_geometry(tmp_path)
    use_hub_names(tmp_path, style)
    after = reference_geometry(tmp_path)
    assert before.keys() == after.keys()
    for key, numbers in before.items():
        np.testing.assert_array_equal(numbers["cos_in_out"], after[key]["cos_in_out"])
