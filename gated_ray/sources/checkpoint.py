"""One checkpoint, wherever it lies: its config, its tensors by name, and their bytes on request."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from gated_ray.errors import CheckpointError, ReferenceNotFoundError, UnsupportedError
from gated_ray.sources.bucket import BucketOrigin
from gated_ray.sources.folder import FolderOrigin
from gated_ray.sources.headers import TensorRecord, read_header
from gated_ray.sources.hub import HubOrigin, hub_endpoint, resolve_commit
from gated_ray.sources.origin import FileVersion, Location, Origin, Span
from gated_ray.sources.ranges import merge_spans
from gated_ray.sources.references import Kind, Reference, parse_reference
from gated_ray.sources.shards import weight_files

_CONFIG = "config.json"
_CONFIG_LIMIT = 10_000_000
_HEADER_READERS = 8

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def open_origin(location: Location) -> Origin:
    """The reader for a location; also in another process than the one that resolved it."""
    kinds: dict[Kind, Callable[[Location], Origin]] = {"hub": HubOrigin, "folder": FolderOrigin, "s3": BucketOrigin}
    return kinds[location.kind](location)


@dataclass(frozen=True)
class Checkpoint:
    """A sound checkpoint, opened at one immutable state.

    Attributes:
        reference: what the user asked for.
        location: where to read it, in any process.
        config: config.json, parsed.
        tensors: every tensor of the checkpoint by name.
        files: the files that hold them, and config.json.
    """

    reference: Reference
    location: Location
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorRecord]
    files: tuple[FileVersion, ...]

    @property
    def name(self) -> str:
        return self.reference.name

    def revision(self) -> str:
        """The commit on the Hub, else ``local-`` and 12 hex digits of the content.

        A folder's files are read whole for it (checkpoints of one training run differ in nothing but their weights),
        a bucket's ETags suffice.
        """
        if self.location.revision:
            return self.location.revision
        return f"local-{open_origin(self.location).content_digest(self.files)[:12]}"


def open_checkpoint(ref: str, s3_endpoint: str | None = None) -> Checkpoint:
    """Resolve a reference once and read its config and headers.

    Args:
        ref: see `parse_reference`.
        s3_endpoint: endpoint of ``s3://`` references.

    Raises:
        ReferenceNotFoundError, AccessError: it cannot be had.
        CheckpointError, UnsupportedError: it cannot be used; the message says why.
        TransientError: the network gave up.
    """
    reference = parse_reference(ref)
    location = _locate(reference, s3_endpoint)
    origin = open_origin(location)
    files = origin.files()
    config = _read_config(origin, files, ref)
    shards, weight_map = weight_files(origin, files, ref)
    with ThreadPoolExecutor(_HEADER_READERS) as pool:
        headers = list(pool.map(lambda file: read_header(origin, file, ref), shards))
    tensors = _index(headers, weight_map, ref)
    return Checkpoint(reference, location, config, tensors, (files[_CONFIG], *shards))


def _locate(reference: Reference, s3_endpoint: str | None) -> Location:
    if reference.kind == "hub":
        endpoint = hub_endpoint()
        commit = resolve_commit(reference.location, reference.revision, endpoint)
        return Location("hub", reference.location, commit, endpoint)
    return Location(reference.kind, reference.location, endpoint=s3_endpoint if reference.kind == "s3" else None)


def _read_config(origin: Origin, files: Mapping[str, FileVersion], ref: str) -> dict[str, Any]:
    if _CONFIG not in files:
        raise ReferenceNotFoundError(f"{ref}: holds no config.json; give the folder that save_pretrained wrote")
    if files[_CONFIG].size > _CONFIG_LIMIT:
        raise CheckpointError(f"{ref}: config.json has {files[_CONFIG].size} bytes; not a model's configuration")
    try:
        config = json.loads(origin.read_file(files[_CONFIG]))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{ref}: config.json is not JSON ({error})") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise UnsupportedError(f"{ref}: config.json names no model_type")
    return config


def _index(
    headers: Sequence[Mapping[str, TensorRecord]], weight_map: Mapping[str, str] | None, ref: str
) -> dict[str, TensorRecord]:
    tensors: dict[str, TensorRecord] = {}
    for header in headers:
        for name, record in header.items():
            if name in tensors:
                raise CheckpointError(
                    f"{ref}: tensor {name} is in both {tensors[name].file.path} and {record.file.path}; which is meant?"
                )
            tensors[name] = record
    for name, shard in (weight_map or {}).items():
        if name not in tensors or tensors[name].file.path != shard:
            raise CheckpointError(f"{ref}: the index puts tensor {name} in {shard}, whose header lacks it")
    return tensors


def read_tensors(origin: Origin, records: Sequence[TensorRecord]) -> dict[str, torch.Tensor]:
    """Read whole tensors, in few merged ranges.

    Args:
        records: which; of any shards of one checkpoint.

    Returns:
        Tensors by name, of the stored dtype and shape, on the CPU. They may share memory: do not write to them.

    Raises:
        UnsupportedError: a dtype that is no plain float.
        CheckpointError, TransientError: the bytes cannot be had.
    """
    by_file: defaultdict[FileVersion, list[TensorRecord]] = defaultdict(list)
    for record in records:
        float_dtype(record)
        by_file[record.file].append(record)
    tensors = {}
    for file, wanted in by_file.items():
        spans = merge_spans([(record.begin, record.end) for record in wanted])
        views = origin.read_spans(file, spans)
        for record in wanted:
            tensors[record.name] = _as_tensor(_piece(record, spans, views), record)
    return tensors


def _piece(record: TensorRecord, spans: Sequence[Span], views: Sequence[memoryview]) -> memoryview:
    for (begin, end), view in zip(spans, views, strict=True):
        if begin <= record.begin and record.end <= end:
            return view[record.begin - begin : record.end - begin]
    return memoryview(b"")  # a tensor without elements is in no span


def float_dtype(record: TensorRecord) -> torch.dtype:
    """The torch dtype of a stored float tensor.

    Raises:
        UnsupportedError: any other dtype; a bare cast of quantized weights would give plausible garbage.
    """
    if record.dtype not in _DTYPES:
        raise UnsupportedError(
            f"tensor {record.name} is stored as {record.dtype}; only {', '.join(_DTYPES)} weights are read"
        )
    return _DTYPES[record.dtype]


def _as_tensor(view: memoryview, record: TensorRecord) -> torch.Tensor:
    dtype = float_dtype(record)
    if not len(view):
        return torch.empty(record.shape, dtype=dtype)
    flat = torch.frombuffer(view, dtype=torch.uint8)
    if flat.data_ptr() % dtype.itemsize:
        flat = flat.clone()
    return flat.view(dtype).view(record.shape)
