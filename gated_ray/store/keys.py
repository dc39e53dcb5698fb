"""Where every object of the store lies: names encoded into keys, partitions, units, and the key of each object.

Keys are deterministic, so that doing a unit twice overwrites and never doubles. They hold nothing but letters, digits
and ``. _ - = /``, because some servers refuse the rest.
"""

import re
from collections.abc import Container
from dataclasses import dataclass, replace

from gated_ray.errors import InputError

WEIGHT_TABLES = ("neurons", "layers", "expert_layers", "models")
"""The published tables of weights, each a folder of hive partitions; ``expert_layers`` only of models that have experts."""

ACTIVATION_TABLES = ("activations", "examples", "activation_models")
"""The published tables of activation statistics, likewise."""

TABLES = (*WEIGHT_TABLES, *ACTIVATION_TABLES)

RAW_TABLES = ("neurons", "layers", "statistics")
"""The tables that units write: those of weights the first two, those of activations the last."""

PROFILES = "_units/profiles/"
PUBLISHED = "published.json"

_MOST_ENCODED = 200
_PIECE = re.compile(r"(?P<plain>\w+(?:(?:-(?!-)|\.(?!\.))+\w+)*)|(?P<slash>/)|(?P<other>.)", re.ASCII | re.DOTALL)
_CODE = re.compile(r"(?P<slash>--)|\.\.(?P<byte>[0-9a-f]{2})|(?P<plain>[\w.-])", re.ASCII)
_PATH_SAFE = re.compile(r"[\w.-]+", re.ASCII)
_NAME = rf"[\w.-]{{1,{_MOST_ENCODED}}}"
_PARTITION = re.compile(
    rf"model=(?P<model>{_NAME})/revision=(?P<revision>[\w.-]+)/(dataset=(?P<dataset>{_NAME})/)?profile=(?P<profile>[\w.-]+)",
    re.ASCII,
)
_COMPONENT = re.compile(r"[a-z][a-z0-9_]*")
_UNIT_ID = re.compile(rf"(\d{{5,}})-({_COMPONENT.pattern})-(\d{{5,}})-(\d{{5,}})", re.ASCII)
_SHARD_ID = re.compile(r"shard-(\d{5,})", re.ASCII)


def encode_name(name: str) -> str:
    """Any string as ``[A-Za-z0-9._-]*``, one to one; a Hub name changes only its ``/``, to ``--``.

    A byte that a Hub name cannot hold becomes ``..`` and two hex digits. So does a ``-`` or ``.`` that would touch
    another of its kind or the end of a path component: Hub names forbid both, which leaves ``--`` and ``..`` free.
    """
    return _PIECE.sub(_encode_piece, name)


def _encode_piece(piece: re.Match[str]) -> str:
    if piece["plain"]:
        return piece["plain"]
    if piece["slash"]:
        return "--"
    return "".join(f"..{byte:02x}" for byte in piece["other"].encode("utf-8", "surrogatepass"))


def decode_name(encoded: str) -> str:
    """The name that `encode_name` encoded.

    Raises:
        ValueError: `encoded` is not the encoding of any name.
    """
    octets, position = bytearray(), 0
    while position < len(encoded):
        code = _CODE.match(encoded, position)
        if code is None:
            raise ValueError(f"{encoded!r} is not an encoded name")
        octets += b"/" if code["slash"] else bytes.fromhex(code["byte"]) if code["byte"] else code["plain"].encode()
        position = code.end()
    name = octets.decode("utf-8", "surrogatepass")
    if encode_name(name) != encoded:
        raise ValueError(f"{encoded!r} is not an encoded name")
    return name


@dataclass(frozen=True, order=True)
class Partition:
    """One model at one revision under one profile, and of activation statistics over one dataset: what is published together.

    Raises:
        InputError: the model's or the dataset's name is too long to be a folder's name.
        ValueError: a revision or profile that cannot stand in a path.
    """

    model: str
    """The plain name, ``org/name`` on the Hub."""
    revision: str
    profile: str
    dataset: str = ""
    """Of tokens, for activation statistics; empty for weights."""

    def __post_init__(self) -> None:
        for what, encoded in (("model", self.encoded_model), ("dataset", encode_name(self.dataset))):
            if not (what == "dataset" or encoded) or len(encoded) > _MOST_ENCODED:
                raise InputError(
                    f"{what} name {decode_name(encoded)!r}: must be 1 to {_MOST_ENCODED} characters once encoded; rename it"
                )
        for part in (self.revision, self.profile):
            if not _PATH_SAFE.fullmatch(part):
                raise ValueError(f"{part!r} cannot stand in a path of the store")

    @property
    def encoded_model(self) -> str:
        return encode_name(self.model)

    @property
    def path(self) -> str:
        dataset = f"dataset={encode_name(self.dataset)}/" if self.dataset else ""
        return f"model={self.encoded_model}/revision={self.revision}/{dataset}profile={self.profile}"

    @property
    def columns(self) -> dict[str, str]:
        """What every row of the partition says of it."""
        columns = {"model_name": self.model, "model_revision": self.revision, "profile_name": self.profile}
        return columns | ({"dataset_name": self.dataset} if self.dataset else {})

    @property
    def of_weights(self) -> "Partition":
        """The partition that the weights of the same model are published under."""
        return replace(self, dataset="")

    @property
    def tables(self) -> tuple[str, ...]:
        """The published tables that it may have."""
        return ACTIVATION_TABLES if self.dataset else WEIGHT_TABLES

    @property
    def raw_tables(self) -> tuple[str, ...]:
        """The tables that its units write."""
        return RAW_TABLES[2:] if self.dataset else RAW_TABLES[:2]

    @classmethod
    def parse(cls, path: str) -> "Partition":
        """The partition whose `path` this is.

        Raises:
            ValueError: not a partition path.
        """
        match = _PARTITION.fullmatch(path)
        if match is None:
            raise ValueError(f"{path!r} is not a partition path")
        dataset = decode_name(match["dataset"]) if match["dataset"] else ""
        return cls(decode_name(match["model"]), match["revision"], match["profile"], dataset)


@dataclass(frozen=True, order=True)
class UnitKey:
    """The piece of a model that one worker does at a time: a range of the blocks of one layer and component."""

    layer: int
    component: str
    first: int = 0
    """First block (expert) of the range."""
    last: int = 0
    """Last block (expert) of the range, included."""

    def __post_init__(self) -> None:
        if not _COMPONENT.fullmatch(self.component) or min(self.layer, self.first) < 0 or self.last < self.first:
            raise ValueError(f"not a unit: {self!r}")

    @property
    def id(self) -> str:
        """For example ``00012-mlp-00000-00000``: sorts as the unit does."""
        return f"{self.layer:05d}-{self.component}-{self.first:05d}-{self.last:05d}"

    @classmethod
    def parse(cls, unit_id: str) -> "UnitKey | None":
        """The unit whose `id` this is; None for any other string."""
        match = _UNIT_ID.fullmatch(unit_id)
        if match is None:
            return None
        try:
            unit = cls(int(match[1]), match[2], int(match[3]), int(match[4]))
        except ValueError:
            return None
        return unit if unit.id == unit_id else None


@dataclass(frozen=True, order=True)
class ShardKey:
    """The piece of a token dataset over which one worker takes a model's activation statistics at a time."""

    shard: int

    def __post_init__(self) -> None:
        if self.shard < 0:
            raise ValueError(f"not a shard: {self!r}")

    @property
    def id(self) -> str:
        """For example ``shard-00012``: sorts as the shard does."""
        return f"shard-{self.shard:05d}"

    @classmethod
    def parse(cls, unit_id: str) -> "ShardKey | None":
        """The shard whose `id` this is; None for any other string."""
        match = _SHARD_ID.fullmatch(unit_id)
        shard = cls(int(match[1])) if match else None
        return shard if shard and shard.id == unit_id else None


WorkKey = UnitKey | ShardKey
"""What is committed as one."""


def parse_unit(unit_id: str) -> WorkKey | None:
    """The unit or shard whose `id` this is; None for any other string."""
    return ShardKey.parse(unit_id) or UnitKey.parse(unit_id)


def raw_folder(table: str, partition: Partition) -> str:
    return f"raw/{table}/{partition.path}/"


def raw_key(table: str, partition: Partition, unit: WorkKey, part: str = "") -> str:
    """Key of a unit's rows of a raw table, or of a part of them."""
    return f"{raw_folder(table, partition)}{unit.id}{f'.{part}' * bool(part)}.parquet"


def is_of_units(key: str, units: Container[str]) -> bool:
    """Whether a raw object is one of the units with these ids."""
    return key.rpartition("/")[2].partition(".")[0] in units


def manifest_folder(partition: Partition) -> str:
    return f"_units/{partition.path}/"


def manifest_key(partition: Partition, unit: WorkKey) -> str:
    return f"{manifest_folder(partition)}{unit.id}.json"


def published_key(partition: Partition) -> str:
    return f"{manifest_folder(partition)}{PUBLISHED}"


def table_folder(table: str, partition: Partition) -> str:
    return f"{table}/{partition.path}/"


def table_key(table: str, partition: Partition, part: int = 0) -> str:
    return f"{table_folder(table, partition)}part-{part:05d}.parquet"


def profile_key(profile: str) -> str:
    return f"{PROFILES}{profile}.json"


def statistics_key(dataset: str, profile: str) -> str:
    return f"{PROFILES}dataset={encode_name(dataset)}/{profile}.json"
