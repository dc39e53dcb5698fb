"""What a user can set, as frozen dataclasses that Hydra validates ``conf/`` against (unknown keys and wrong types are refused)."""

import re
from dataclasses import dataclass, field
from typing import Any

from gated_ray.errors import InputError

MEASURE_VERSION = 1
"""Raised whenever the same weights and settings would give other numbers. Part of a profile's identity."""

TOKENS_VERSION = 1
"""Raised whenever the same texts, tokenizer and settings would give other tokens. Part of a token dataset's identity."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ModelsSettings:
    """Which checkpoints: ``org/name[@revision]``, a folder, or ``s3://bucket/prefix``."""

    refs: list[str] = field(default_factory=list)
    endpoint_url: str | None = None
    """S3 endpoint of ``s3://`` references; None leaves it to the AWS configuration."""


@dataclass(frozen=True)
class ArchitecturesSettings:
    """How checkpoints are understood, beyond the rules that ship with the package."""

    extra: str | None = None
    """A user's file of rules, read by the driver alone; None for none. Its model types replace the built-in ones."""


@dataclass(frozen=True)
class StoreSettings:
    """Where the dataset goes: a folder or ``s3://bucket/prefix``. Credentials come from the AWS environment only."""

    url: str = "./results"
    endpoint_url: str | None = None
    """S3 endpoint; None leaves it to the AWS configuration."""

    def __post_init__(self) -> None:
        if not self.url:
            raise InputError("store.url is not set: give a folder or s3://bucket/prefix")


@dataclass(frozen=True)
class ProfileSettings:
    """Every choice that shapes the numbers, under the name that the dataset files it by."""

    name: str = "paper"
    weights: str = "paper"
    """How weights are prepared: ``paper`` (as the published tables) or ``residual`` (what acts on the residual stream)."""
    regions: str = "sampled"
    """Mismatched randomness regions: ``sampled``, ``exact`` or ``none``."""
    pairs: int = 2_000_000
    """At least this many mismatched pairs a block when ``regions=sampled``."""
    seed: int = 0
    """Seed of the sampled rows."""

    def __post_init__(self) -> None:
        _require_one_of("profile.weights", self.weights, ("paper", "residual"))
        _require_one_of("profile.regions", self.regions, ("sampled", "exact", "none"))
        if not _NAME.fullmatch(self.name):
            raise InputError(f"profile.name={self.name!r}: use letters, digits, '.', '_' and '-'")
        if self.pairs < 1:
            raise InputError(f"profile.pairs={self.pairs}: must be at least 1")

    def identity(self) -> dict[str, Any]:
        """The settings that shape the numbers, in canonical form: two profiles with equal identities give equal numbers."""
        return {
            "weights": self.weights,
            "regions": self.regions,
            "pairs": self.pairs if self.regions == "sampled" else None,
            "seed": self.seed if self.regions == "sampled" else None,
            "measure_version": MEASURE_VERSION,
        }


@dataclass(frozen=True)
class DataSettings:
    """What is fed to the models: texts to be tokenized, tokens that are ready, or ids from elsewhere; at most one of these."""

    text: str | None = None
    """Parquet, JSON lines or plain text: a folder or file, ``s3://bucket/prefix``, ``hf://datasets/ORG/NAME[@REVISION][/PATH]``."""
    tokens: str | None = None
    """A store that holds a token dataset, or the folder of one in it: ``.../tokens/dataset=NAME/tokenizer=DIGEST``."""
    token_ids: str | None = None
    """A JSON file, a list of lists of token ids."""
    name: str | None = None
    """Of the token dataset; None takes the last part of the path, without what follows its dot."""
    column: str = "text"
    """Of parquet, and key of JSON lines, that holds a document's text."""
    seed: int = 0
    """Of the order in which documents are taken."""
    max_length: int = 1024
    """Tokens that a document is cut to, special ones included."""
    max_tokens: int | None = 20_000_000
    """The document that reaches so many tokens in all is the last; None takes all documents."""
    shard_tokens: int = 1 << 20
    """The document that reaches so many tokens in a file of the dataset is its last."""
    endpoint_url: str | None = None
    """S3 endpoint of texts, tokens and ids in a bucket; None leaves it to the AWS configuration."""

    def __post_init__(self) -> None:
        given = [name for name in ("text", "tokens", "token_ids") if getattr(self, name) is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(f'data.{name}' for name in given)} are given: give one of them")
        for name in (*given, "column", *(() if self.name is None else ("name",))):
            if not getattr(self, name).strip():
                raise InputError(f"data.{name} is empty")
        for name in ("max_length", "max_tokens", "shard_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"data.{name}={value}: must be at least 1")
        if not 0 <= self.seed < 1 << 64:
            raise InputError(f"data.seed={self.seed}: must be at least 0 and below 2**64")

    def identity(self) -> dict[str, Any]:
        """The settings that shape the tokens of a text, in canonical form."""
        return {
            "column": self.column,
            "seed": self.seed,
            "max_length": self.max_length,
            "max_tokens": self.max_tokens,
            "shard_tokens": self.shard_tokens,
            "tokens_version": TOKENS_VERSION,
        }


@dataclass(frozen=True)
class ClusterSettings:
    """Where and how wide the work runs."""

    address: str | None = None
    """Ray's. ``local`` starts one on this machine; None and ``auto`` take ``RAY_ADDRESS`` where it is set, as it is in a
    submitted job; else None starts one on this machine, and ``auto`` joins the cluster that this machine is part of."""
    workers: int | None = None
    """Actors; None takes one per GPU, or as many as the CPUs allow."""
    cpus_per_worker: int = 1
    gpus_per_worker: float | None = None
    """None takes a whole GPU each where the cluster has GPUs, else none."""
    max_unit_bytes: int = 1 << 30
    """Most weight bytes in one unit of work; a MoE layer is split by experts to stay below it."""
    max_attempts: int = 3
    """Times a unit is tried before it is reported as failed."""
    grace_seconds: float = 20.0
    """After a request to stop (Ctrl-C, SIGTERM): how long units in flight may take to finish before they are abandoned."""

    def __post_init__(self) -> None:
        for name in ("cpus_per_worker", "max_unit_bytes", "max_attempts"):
            if getattr(self, name) < 1:
                raise InputError(f"cluster.{name}={getattr(self, name)}: must be at least 1")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"cluster.workers={self.workers}: must be at least 1, or null for as many as fit")
        if self.gpus_per_worker is not None and self.gpus_per_worker < 0:
            raise InputError(f"cluster.gpus_per_worker={self.gpus_per_worker}: must not be negative")
        if not 0 <= self.grace_seconds < float("inf"):
            raise InputError(f"cluster.grace_seconds={self.grace_seconds}: must be a number of seconds, at least 0")


@dataclass(frozen=True)
class SweepSettings:
    """``python -m jobs.sweep``."""

    models: ModelsSettings = field(default_factory=ModelsSettings)
    architectures: ArchitecturesSettings = field(default_factory=ArchitecturesSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    dry_run: bool = False
    """Print the plan (models, blocks, GB) and run nothing."""
    log: str = "text"
    """``text`` for people, or ``json``: one object a line on stdout, and nothing else there."""
    debug: bool = False
    """Show tracebacks."""

    def __post_init__(self) -> None:
        _require_one_of("log", self.log, ("text", "json"))


@dataclass(frozen=True)
class InspectSettings:
    """``python -m jobs.inspect``."""

    models: ModelsSettings = field(default_factory=ModelsSettings)
    architectures: ArchitecturesSettings = field(default_factory=ArchitecturesSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    """Only `max_unit_bytes` counts here."""
    format: str = "table"
    """``table``, or ``json``: one object a model, a line each."""
    debug: bool = False

    def __post_init__(self) -> None:
        _require_one_of("format", self.format, ("table", "json"))


@dataclass(frozen=True)
class TokensSettings:
    """``python -m jobs.tokens``."""

    models: ModelsSettings = field(default_factory=ModelsSettings)
    """Whose tokenizers are wanted; their weights are not read."""
    data: DataSettings = field(default_factory=DataSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    log: str = "text"
    """``text`` for people, or ``json``: one object a line on stdout, and nothing else there."""
    debug: bool = False
    """Show tracebacks."""

    def __post_init__(self) -> None:
        _require_one_of("log", self.log, ("text", "json"))


@dataclass(frozen=True)
class SourcesSettings:
    """Where the sources of published models are looked for again; the store says the rest."""

    endpoint_url: str | None = None
    """S3 endpoint of ``s3://`` sources; None leaves it to the AWS configuration."""


@dataclass(frozen=True)
class VerifySettings:
    """``python -m jobs.verify``."""

    store: StoreSettings = field(default_factory=StoreSettings)
    models: SourcesSettings = field(default_factory=SourcesSettings)
    source: bool = False
    """Read a sample of every model from its source again and compare it with the digests in the store."""
    sample: int | None = 16
    """Tensor ranges of a model to read, spread over its layers; None for all."""
    seed: int = 0
    """Other seeds take other ranges."""
    debug: bool = False

    def __post_init__(self) -> None:
        if self.sample is not None and self.sample < 1:
            raise InputError(f"sample={self.sample}: must be at least 1, or null for every tensor range")


@dataclass(frozen=True)
class ReportSettings:
    """``python -m jobs.report``."""

    store: StoreSettings = field(default_factory=StoreSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    """Only its name counts here."""
    out: str = "./results/report"
    layers: list[int] = field(default_factory=list)
    """The layers of the figure of a few layers; none take the first, those at the quarters of the depth, and the last."""
    width: str = "page"
    """``page`` (6.9 in) or ``column`` (3.3 in): how wide figures are. Those of all layers are as wide as a page in any case."""
    vocabulary: str = "io"
    """``io`` (enrichment, depletion) or ``rw`` (strengthening, weakening)."""
    debug: bool = False

    def __post_init__(self) -> None:
        _require_one_of("width", self.width, ("page", "column"))
        _require_one_of("vocabulary", self.vocabulary, ("io", "rw"))
        if min(self.layers, default=0) < 0:
            raise InputError(f"layers={self.layers}: layers are numbered from 0")


@dataclass(frozen=True)
class CompareSettings:
    """``python -m jobs.compare``. A side is ``MODEL[@REVISION][:PROFILE]`` of the store, or ``published[:MODEL]``."""

    store: StoreSettings = field(default_factory=StoreSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    """Only its name counts here: of a side that names none."""
    model: str | None = None
    """The side that is looked at; None takes every model of the profile of which something is published."""
    against: str = "published"
    """What it is compared with. Without a model's name (``@REVISION``, ``:PROFILE``), the same model in another form."""
    vocabulary: str = "io"
    """``io`` (enrichment, depletion) or ``rw`` (strengthening, weakening)."""
    out: str | None = None
    """A folder for what is printed, and for all transitions as CSV; None writes nothing."""
    debug: bool = False

    def __post_init__(self) -> None:
        _require_one_of("vocabulary", self.vocabulary, ("io", "rw"))


STATISTICS_VERSION = 1
"""Raised whenever the same model, tokens and settings would give other activation statistics."""


@dataclass(frozen=True)
class StatisticsSettings:
    """How activation statistics are taken."""

    dtype: str = "float32"
    """In which the model runs: ``float32`` or ``bfloat16``."""
    top: int = 16
    """Documents that each ranking of a neuron keeps."""
    batch_tokens: int | None = None
    """Of a batch, padding included; None takes 16384 on a GPU and 4096 on a CPU. No number depends on it."""

    def __post_init__(self) -> None:
        _require_one_of("statistics.dtype", self.dtype, ("float32", "bfloat16"))
        if not 1 <= self.top <= 1024:
            raise InputError(f"statistics.top={self.top}: must be from 1 to 1024")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise InputError(f"statistics.batch_tokens={self.batch_tokens}: must be at least 1")

    def identity(self) -> dict[str, Any]:
        """The settings that shape the numbers."""
        return {"dtype": self.dtype, "top": self.top, "statistics_version": STATISTICS_VERSION}


@dataclass(frozen=True)
class ActivationsSettings:
    """``python -m jobs.activations``."""

    models: ModelsSettings = field(default_factory=ModelsSettings)
    architectures: ArchitecturesSettings = field(default_factory=ArchitecturesSettings)
    data: DataSettings = field(default_factory=DataSettings)
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    """Its weights say what the canonical sign is of."""
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    dry_run: bool = False
    """Print the plan (models, shards, tokens) and run nothing; tokens that are missing are made."""
    log: str = "text"
    """``text`` for people, or ``json``: one object a line on stdout, and nothing else there."""
    debug: bool = False
    """Show tracebacks."""

    def __post_init__(self) -> None:
        _require_one_of("log", self.log, ("text", "json"))


@dataclass(frozen=True)
class ExportSettings:
    """``python -m jobs.export``."""

    store: StoreSettings = field(default_factory=StoreSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    """Only its name counts here."""
    model: str | None = None
    """``org/name``; None takes all."""
    dataset: str | None = None
    """Name of the token dataset; None takes the statistics over all."""
    columns: str = "own"
    """Of the activations: ``own``, or ``reference``, those of the dataset of the authors of arXiv 2505.17936."""
    license: str | None = None
    """For the card; None takes the models'."""
    out: str = "./results/export"
    debug: bool = False

    def __post_init__(self) -> None:
        _require_one_of("columns", self.columns, ("own", "reference"))


_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class WatchListSettings:
    """Which models of the Hub are watched, and how often."""

    name: str = "default"
    """Keeps the notes of several watches on one store apart."""
    authors: list[str] = field(default_factory=list)
    """Users and organisations; several are listed one after another."""
    task: str | None = None
    """As the Hub has it, such as ``text-generation``."""
    library: str | None = None
    """As the Hub has it, such as ``transformers``."""
    tags: list[str] = field(default_factory=list)
    """All of which a model must have."""
    min_downloads: int = 0
    """In the last 30 days, as the Hub counts."""
    newest: int | None = None
    """Only so many, those that were made last."""
    max_bytes: float | None = None
    """Of weights; a number that may be written as ``20e9``."""
    allow: list[str] = field(default_factory=list)
    """Shell patterns on ``org/name``, of which one must fit; none let every model pass."""
    deny: list[str] = field(default_factory=list)
    """Shell patterns on ``org/name``, of which none may fit, whatever `allow` says."""
    gated: bool = True
    """False leaves gated repositories out."""
    every: str | None = None
    """From the start of one pass to that of the next: ``30m``, ``6h``, ``1d``. None makes one pass."""
    attempts: int = 3
    """Passes in which a model may fail before it is given up."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(f"watch.name={self.name!r}: use letters, digits, '.', '_' and '-'")
        for name, least in (("min_downloads", 0), ("newest", 1), ("max_bytes", 1), ("attempts", 1)):
            value = getattr(self, name)
            if value is not None and not least <= value < float("inf"):
                raise InputError(f"watch.{name}={value}: must be at least {least}")
        if self.every is not None and not self.every_seconds:
            raise InputError(f"watch.every={self.every!r}: give a number and a unit, as in 90s, 30m, 6h or 1d")

    @property
    def every_seconds(self) -> float:
        """Seconds of `every`; 0 where it is None or no duration."""
        found = _DURATION.fullmatch(self.every or "")
        return float(found[1]) * _SECONDS[found[2]] if found else 0.0


@dataclass(frozen=True)
class WatchSettings:
    """``python -m jobs.watch``."""

    watch: WatchListSettings = field(default_factory=WatchListSettings)
    architectures: ArchitecturesSettings = field(default_factory=ArchitecturesSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    dry_run: bool = False
    """Print what would be swept, and why the rest would not; sweep and write nothing."""
    log: str = "text"
    """``text`` for people, or ``json``: one object a line on stdout, and nothing else there."""
    debug: bool = False
    """Show tracebacks."""

    def __post_init__(self) -> None:
        _require_one_of("log", self.log, ("text", "json"))


def _require_one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{key}={value!r}: choose one of {', '.join(choices)}")
