"""A first query, ready to paste."""

_QUERY = """SELECT model_name, model_revision, io_class, count(*) AS neurons, round(avg(cos_in_out), 3) AS mean_cos_in_out
  FROM read_parquet('{files}') GROUP BY ALL ORDER BY model_name, model_revision, neurons DESC"""


def first_query(url: str) -> str:
    """SQL for DuckDB: neurons of each class by model and revision.

    Args:
        url: the store's, a folder or ``s3://bucket/prefix``.
    """
    return _QUERY.format(files=f"{url.rstrip('/')}/neurons/*/*/*/*.parquet".replace("'", "''"))
