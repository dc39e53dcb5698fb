"""The shipped checkpoints are there, load, and are three points of one training run."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.checkpoints.reference import class_table, reference_geometry

DATA = Path(__file__).parents[1] / "data"
POINTS = ("step0", "step200", "main")


@pytest.mark.parametrize("point", POINTS)
def test_tiny_docs_llama_loads(point: str) -> None:
    folder = DATA / "tiny-docs-llama" / point
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    assert AutoTokenizer.from_pretrained(folder).vocab_size == model.config.vocab_size == 2048


def test_points_differ() -> None:
    tables = [class_table(reference_geometry(DATA / "tiny-docs-llama" / point)) for point in POINTS]
    assert tables[0] != tables[1] != tables[2] != tables[0]
    assert len({name for counts in tables[2].values() for name in counts}) == 10


def test_golden_has_a_row_for_every_neuron() -> None:
    golden = pq.read_table(DATA / "golden/weights-a.parquet")
    rows = zip(golden["layer"].to_pylist(), golden["neuron"].to_pylist(), strict=True)
    assert sorted(rows) == [(layer, neuron) for layer in range(6) for neuron in range(384)]
