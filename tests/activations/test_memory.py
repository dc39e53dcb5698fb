"""Memory does not grow with the texts: a pass over ten times as much takes no more."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.activations.corpora import lines

_MEGABYTE = 1 << 20
_TEXT = "the model reads a neuron from the layer and writes it to the residual stream " * 32
_MEASURE = """
import resource, sys
from gated_ray.activations import documents
from gated_ray.activations.documents import Documents
from gated_ray.activations.text_files import open_texts

documents.PASS_BYTES = 8 << 20
texts = open_texts(sys.argv[1])
next(Documents(open_texts(sys.argv[2]), "text", 0, most=65_537).behind(None))
texts.identity
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
next(Documents(texts, "text", 0, most=65_537).behind(None))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def write(path: Path, megabytes: int) -> None:
    """Texts of 2.4 KB; of parquet in one row group, as some writers make it, and hard to pack."""
    count = megabytes * _MEGABYTE // len(_TEXT)
    if path.suffix == ".jsonl":
        block = lines([_TEXT] * 100)
        with path.open("wb") as file:
            for _ in range(count // 100):
                file.write(block)
        return
    texts = [f"{number} {_TEXT}" for number in range(count)]
    table = pa.table({"text": texts})
    pq.write_table(table, path, row_group_size=count, compression="none", use_dictionary=False)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_memory(suffix: str, tmp_path: Path) -> None:
    """The small file is read first, so that what reading takes at all is not counted."""
    small, large = tmp_path / f"small.{suffix}", tmp_path / f"large.{suffix}"
    write(small, 16)
    write(large, 160)
    command = [sys.executable, "-c", _MEASURE, str(large), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 48 * 1024, "kilobytes"
