"""Where token datasets lie in the store: shards below ``tokens/``, what is written down of them below ``_units/tokens/``."""

import re
from dataclasses import dataclass

from gated_ray.errors import InputError
from gated_ray.store.keys import decode_name, encode_name

TOKENS_FOLDER = "tokens/"
RECORDS = "_units/tokens/"

GIVEN = "given"
"""Stands in the place of a tokenizer's digest where ids were given."""

_MOST_ENCODED = 200
_PATH = re.compile(
    rf"dataset=(?P<dataset>[\w.-]{{1,{_MOST_ENCODED}}})/tokenizer=(?P<tokenizer>[0-9a-f]{{12}}|{GIVEN})", re.ASCII
)
_SHARD = re.compile(r"shard-(\d{5,})")


@dataclass(frozen=True, order=True)
class TokenPartition:
    """One token dataset: a text's name, and the tokenizer that made tokens of it.

    Raises:
        InputError: the name is empty, or too long to be a folder's name.
        ValueError: no tokenizer's digest.
    """

    dataset: str
    tokenizer: str
    """First 12 hex digits of its digest, or `GIVEN`."""

    def __post_init__(self) -> None:
        if not 0 < len(encode_name(self.dataset)) <= _MOST_ENCODED:
            raise InputError(f"data.name={self.dataset!r}: must be 1 to {_MOST_ENCODED} characters once encoded")
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"{self.tokenizer!r} is no tokenizer's digest")

    @property
    def path(self) -> str:
        return f"dataset={encode_name(self.dataset)}/tokenizer={self.tokenizer}"

    @property
    def columns(self) -> dict[str, str]:
        """What every row of the dataset says of it."""
        return {"dataset_name": self.dataset, "tokenizer_digest": self.tokenizer}

    @classmethod
    def parse(cls, path: str) -> "TokenPartition":
        """The partition whose `path` this is.

        Raises:
            ValueError: not a partition's path.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise ValueError(f"{path!r} is not the path of a token dataset")
        return cls(decode_name(match["dataset"]), match["tokenizer"])


def shard_folder(partition: TokenPartition) -> str:
    return f"{TOKENS_FOLDER}{partition.path}/"


def shard_key(partition: TokenPartition, index: int) -> str:
    return f"{shard_folder(partition)}shard-{index:05d}.parquet"


def record_folder(partition: TokenPartition) -> str:
    return f"{RECORDS}{partition.path}/"


def shard_manifest_key(partition: TokenPartition, index: int) -> str:
    return f"{record_folder(partition)}shard-{index:05d}.json"


def parse_shard_manifest(partition: TokenPartition, key: str) -> int | None:
    """The shard whose manifest has this key; None for any other key."""
    match = _SHARD.fullmatch(key.removeprefix(record_folder(partition)).removesuffix(".json"))
    return int(match[1]) if match and shard_manifest_key(partition, int(match[1])) == key else None


def identity_key(partition: TokenPartition) -> str:
    """Of what the dataset is made from, which is written before its first shard."""
    return f"{record_folder(partition)}identity.json"


def dataset_key(partition: TokenPartition) -> str:
    """Of the commit, which is written after its last shard."""
    return f"{record_folder(partition)}dataset.json"
