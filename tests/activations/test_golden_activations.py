"""The statistics of the authors' own accumulators on tiny-docs-llama, over the 48 documents that they were given."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gated_ray.vocabulary import QUADRANTS, ranked_quantities
from tests.activations.taking import Taker

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
PLACE = ["layer", "neuron", "quadrant"]
RANKING = [*PLACE, "quantity"]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    documents = json.loads((GOLDEN / "activations-a-documents.json").read_text(encoding="utf-8"))
    taker = Taker("tests/data/tiny-docs-llama@main")
    activations, examples = taker.tables(documents, cuts=[13, 30])
    return activations.to_pandas(), examples.to_pandas().astype({"quadrant": str, "quantity": str})


def golden(name: str) -> pd.DataFrame:
    return pd.read_parquet(GOLDEN / f"activations-a-{name}.parquet")


def by_quadrant(activations: pd.DataFrame) -> pd.DataFrame:
    """One row a neuron and quadrant, as the golden table has it."""
    rows = []
    for quadrant in QUADRANTS:
        columns = {f"{quadrant}_{name}": name for name in ("freq", "mean_post", "mean_in", "mean_gate", "mean_act")}
        rows.append(
            activations[["layer", "neuron", "tokens", *columns]].rename(columns=columns).assign(quadrant=quadrant)
        )
    found = pd.concat(rows)
    found["count"] = (found["freq"] * found["tokens"]).round().astype(int)
    return found.set_index(PLACE).sort_index()


def test_counts_and_means(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    ours, theirs = by_quadrant(tables[0]), golden("statistics").set_index(PLACE).sort_index()
    assert ours.index.equals(theirs.index)
    off = (ours["count"] - theirs["tokens"].fillna(0)).abs()
    assert off.max() <= 2
    assert (off > 0).mean() <= 0.003
    same = off == 0
    for name in ("mean_post", "mean_in", "mean_gate", "mean_act"):
        assert ours.loc[same, name].isna().equals(theirs.loc[same, name].isna())
        np.testing.assert_allclose(
            ours.loc[same, name], theirs.loc[same, name], rtol=1e-4, equal_nan=True, err_msg=name
        )


def test_examples(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Values in order of rank, and the same documents but among values that are closer than these are known."""
    key = [*RANKING, "rank"]
    ours, theirs = (frame.set_index(key).sort_index() for frame in (tables[1], golden("examples")))
    assert ours.index.equals(theirs.index)
    np.testing.assert_allclose(ours["value"], theirs["value"], rtol=0, atol=1e-5)
    values = theirs["value"].abs()
    neighbours = values.groupby(level=RANKING)
    gap = np.fmin((values - neighbours.shift(1)).abs(), (values - neighbours.shift(-1)).abs())
    is_last = neighbours.transform("size") - 1 == theirs.index.get_level_values("rank")  # what follows it is not known
    alone = (gap > 1e-5) & ~is_last
    assert alone.mean() > 0.5
    assert (alone & (ours["document"] != theirs["document"])).sum() == 0


def test_every_ranking_is_there(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = set(zip(tables[1]["quadrant"], tables[1]["quantity"], strict=True))
    assert found == {(quadrant, name) for quadrant in QUADRANTS for name in ranked_quantities(quadrant)}
