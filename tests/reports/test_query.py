"""The query that a report ends with runs as it is printed."""

from pathlib import Path

import duckdb

from gated_ray.reports.query import first_query
from gated_ray.settings import StoreSettings
from gated_ray.store.objects import open_objects
from tests.reports.synthetic import block, put


def test_the_first_query_counts_each_class_of_each_model(tmp_path: Path) -> None:
    url = str(tmp_path / "it's a store")
    put(open_objects(StoreSettings(url=url)), "org/a", [block(0, {"enrichment": 3, "depletion": 5})])
    rows = duckdb.sql(first_query(f"{url}/")).fetchall()
    assert [row[:4] for row in rows] == [
        ("org/a", rows[0][1], "depletion", 5),
        ("org/a", rows[0][1], "enrichment", 3),
    ]
