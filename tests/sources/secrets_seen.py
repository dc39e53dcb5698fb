"""What must be nowhere: the secrets that a run was given, and those that its servers made for it."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from tests.servers.hub_log import Request

TOKEN = "hf_TheTokenOfTheTests"
SESSION_TOKEN = "TheSessionTokenOfTheTests"
_SIGNED = ("Signature", "Policy", "X-Amz-Signature", "X-Amz-Security-Token")


def signatures(requests: Iterable[Request]) -> set[str]:
    """Of signed URLs and of signed requests, as the servers saw them."""
    found = set()
    for request in requests:
        found |= {value for name in _SIGNED for value in request.query.get(name, ())}
        if "Signature=" in (signed := request.headers.get("authorization", "")):
            found.add(signed.rpartition("Signature=")[2])
    return found


def text_of(folder: Path) -> str:
    """Everything in the files below a folder, names included; of parquet files what they hold, not the compressed bytes."""
    texts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            texts += [str(path), content.decode("latin-1")]
            if path.suffix == ".parquet":
                table = pq.read_table(path, partitioning=None)
                texts += [str(table.schema.metadata), str(pq.read_metadata(path).metadata)]
                texts.append(str(table.to_pylist()))
    return "\n".join(texts)
