"""One checkpoint, wherever it lies: its config, its tensors by name, and their bytes on request."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.bucket import BucketOrigin
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.documents import Bounds, parse_object
from gated_ray.sources.folder import FolderOrigin
from gated_ray.sources.headers import TensorRecord, read_header
from gated_ray.sources.hub import HubOrigin, hub_endpoint, resolve_commit
from gated_ray.sources.origin import FileVersion, Location, Origin, Span
from gated_ray.sources.ranges import merge_spans
from gated_ray.sources.references import Reference, parse_reference
from gated_ray.sources.shards import TENSOR_LIMIT, weight_files
from gated_ray.sources.slices import TensorSlice

_CONFIG = "config.json"
_CONFIG_LIMIT = 2_000_000
"""Bytes."""
_CONFIG_BOUNDS = Bounds(objects=100_000, keys=300_000, values=300_000)
_HEADER_READERS = 8

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def open_origin(location: Location, *, cached: bool = True) -> Origin:
    """The reader for a location; also in another process than the one that resolved it.

    Args:
        cached: whether files of the Hub may be read from the local cache.
    """
    if location.kind == "hub":
        return HubOrigin(location, cached=cached)
    return FolderOrigin(location) if location.kind == "folder" else BucketOrigin(location)


class Placed(Protocol):
    """What was asked for, and where it lies: a `Checkpoint`, or a `Place` of which nothing was read yet."""

    @property
    def reference(self) -> Reference: ...
    @property
    def location(self) -> Location: ...


@dataclass(frozen=True)
class Place:
    """A reference, resolved."""

    reference: Reference
    location: Location


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
    place = locate(ref, s3_endpoint)
    origin = open_origin(place.location)
    files = origin.files()
    config = _read_config(origin, files, ref)
    shards, weight_map = weight_files(origin, files, ref)
    tensors = _index(read_headers(origin, shards, ref), weight_map, ref)
    return Checkpoint(place.reference, place.location, config, tensors, (files[_CONFIG], *shards))


def locate(ref: str, s3_endpoint: str | None = None) -> Place:
    """Resolve a reference: on the Hub to a commit; nothing of a folder or bucket is read.

    Raises:
        ReferenceNotFoundError, AccessError, TransientError: as `open_checkpoint`.
    """
    reference = parse_reference(ref)
    if reference.kind == "hub":
        endpoint = hub_endpoint()
        commit = resolve_commit(reference.location, reference.revision, endpoint)
        return Place(reference, Location("hub", reference.location, commit, endpoint))
    endpoint_url = s3_endpoint if reference.kind == "s3" else None
    return Place(reference, Location(reference.kind, reference.location, endpoint=endpoint_url))


def _read_config(origin: Origin, files: Mapping[str, FileVersion], ref: str) -> dict[str, Any]:
    if _CONFIG not in files:
        raise CheckpointError(f"{ref}: holds no config.json; {_instead(files)}")
    if files[_CONFIG].size > _CONFIG_LIMIT:
        raise CheckpointError(f"{ref}: config.json has {files[_CONFIG].size} bytes; not a model's configuration")
    return parse_object(origin.read_file(files[_CONFIG]), f"{ref}: config.json", _CONFIG_BOUNDS)


def _instead(files: Mapping[str, FileVersion]) -> str:
    """What a folder without config.json seems to be, and what to do."""
    if "adapter_config.json" in files:
        return "it is an adapter (adapter_config.json): give the model that it adapts, or merge the two"
    if "model_index.json" in files:
        return "it is a pipeline of diffusers (model_index.json), not a language model"
    if other := sorted(name for name in files if name.endswith((".gguf", ".onnx", ".pt", ".pth", ".ckpt"))):
        return f"it has {other[0]}, a format that is not read: give the checkpoint in safetensors, as save_pretrained writes it"
    return "give the folder that save_pretrained wrote"


def read_headers(origin: Origin, shards: Sequence[FileVersion], ref: str) -> list[dict[str, TensorRecord]]:
    """The tensors of every shard, by name; no further shard is read once there are too many.

    Args:
        ref: the checkpoint, for messages.

    Raises:
        CheckpointError: too many, or as `read_header`.
    """
    headers: list[dict[str, TensorRecord]] = []

    def read(file: FileVersion) -> dict[str, TensorRecord]:
        if (count := sum(map(len, headers))) <= TENSOR_LIMIT:
            headers.append(header := read_header(origin, file, ref))
            return header
        raise CheckpointError(f"{ref}: {count} tensors are over the limit of {TENSOR_LIMIT}")

    with ThreadPoolExecutor(_HEADER_READERS) as pool:
        return list(pool.map(read, shards))


def _index(
    headers: Sequence[Mapping[str, TensorRecord]], weight_map: Mapping[str, str] | None, ref: str
) -> dict[str, TensorRecord]:
    """Every tensor of the shards. One that the index does not name counts too: transformers loads shards whole."""
    if (count := sum(map(len, headers))) > TENSOR_LIMIT:
        raise CheckpointError(f"{ref}: {count} tensors are over the limit of {TENSOR_LIMIT}")
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


def read_tensors(
    origin: Origin, slices: Sequence[TensorSlice], allocate: Allocate = new_buffer
) -> dict[TensorSlice, torch.Tensor]:
    """Read tensors, or runs of their first dimension, in few merged ranges.

    Args:
        slices: which; of any shards of one checkpoint, each once. None overlaps another.
        allocate: makes the memory to read into.

    Returns:
        Tensors of the stored dtype, on the CPU. They may share memory: do not write to them.

    Raises:
        UnsupportedError: a dtype that torch does not have.
        CheckpointError, TransientError: the bytes cannot be had.
    """
    by_file: defaultdict[FileVersion, list[TensorSlice]] = defaultdict(list)
    for wanted in slices:
        stored_dtype(wanted.record)
        by_file[wanted.record.file].append(wanted)
    tensors = {}
    for file, parts in by_file.items():
        spans = merge_spans([(part.begin, part.end) for part in parts])
        views = origin.read_spans(file, spans, allocate)
        for part in parts:
            tensors[part] = _as_tensor(_piece(part, spans, views), part)
    return tensors


def _piece(part: TensorSlice, spans: Sequence[Span], views: Sequence[memoryview]) -> memoryview:
    if not part.bytes:
        return memoryview(b"")
    for (begin, end), view in zip(spans, views, strict=True):
        if begin <= part.begin and part.end <= end:
            return view[part.begin - begin : part.end - begin]
    raise AssertionError(f"{part.name} is in none of the spans that were read")


def stored_dtype(record: TensorRecord) -> torch.dtype:
    """The torch dtype of a stored tensor.

    Raises:
        UnsupportedError: a dtype of several elements a byte, or one that this version does not know.
    """
    if record.dtype not in _DTYPES:
        raise UnsupportedError(f"tensor {record.name} is stored as {record.dtype}, which is not read")
    return _DTYPES[record.dtype]


def _as_tensor(view: memoryview, part: TensorSlice) -> torch.Tensor:
    dtype = stored_dtype(part.record)
    if not len(view):
        return torch.empty(part.shape, dtype=dtype)
    flat = torch.frombuffer(view, dtype=torch.uint8)
    if flat.data_ptr() % dtype.itemsize:
        flat = flat.clone()
    return flat.view(dtype).view(part.shape)
