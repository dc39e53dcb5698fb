"""Which files of a checkpoint hold its weights."""

from collections.abc import Mapping

from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.documents import Bounds, parse_object, said
from gated_ray.sources.headers import NAME_LIMIT
from gated_ray.sources.origin import FileVersion, Origin

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_INDEX_LIMIT = 50_000_000
"""Bytes; Kimi-K2's index, of 200,000 tensors, has half of it."""
TENSOR_LIMIT = 350_000
"""Tensors of a checkpoint; Kimi-K2 has 200,000 as released, and in other formats some more."""
_BOUNDS = Bounds(objects=100_000, keys=TENSOR_LIMIT + 1000, values=TENSOR_LIMIT + 1000)
_SHARD_LIMIT = 10_000
_FILE_NAME_LIMIT = 255
"""Characters."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_OTHER_FORMATS = (".h5", ".msgpack", ".gguf", ".onnx")


def weight_files(
    origin: Origin, files: Mapping[str, FileVersion], ref: str
) -> tuple[list[FileVersion], dict[str, str] | None]:
    """The shards, and the tensor-to-shard map of the index if there is one.

    ``model.safetensors`` goes before an index, as in transformers. Other safetensors files (``consolidated``, variants,
    adapters) are never taken for them.

    Raises:
        UnsupportedError: no safetensors weights under these names.
        CheckpointError: an index that cannot be right.
    """
    if _SINGLE in files:
        return [files[_SINGLE]], None
    if _INDEX not in files:
        raise UnsupportedError(f"{ref}: {_why_none(origin, files)}")
    weight_map = _weight_map(origin, files[_INDEX], ref)
    names = sorted(set(weight_map.values()))
    if len(names) > _SHARD_LIMIT:
        raise CheckpointError(f"{ref}: {_INDEX} names {len(names)} shards, over the limit of {_SHARD_LIMIT}")
    for name in names:
        if not _is_beside(name):
            raise CheckpointError(
                f"{ref}: {_INDEX} names the shard {said(name)}; a shard is a .safetensors file beside it"
            )
        if name not in files:
            raise CheckpointError(f"{ref}: {_INDEX} names the shard {name}, which is missing; download it again")
    return [files[name] for name in names], weight_map


def _is_beside(name: str) -> bool:
    """Whether this is the name of a safetensors file, without a path."""
    is_plain = name.isprintable() and not any(each in name for each in "/\\:")
    return is_plain and name.endswith(".safetensors") and len(name) <= _FILE_NAME_LIMIT


def _weight_map(origin: Origin, file: FileVersion, ref: str) -> dict[str, str]:
    what = f"{ref}: {_INDEX}"
    if file.size > _INDEX_LIMIT:
        raise CheckpointError(f"{what} has {file.size} bytes, over the limit of {_INDEX_LIMIT}; not an index")
    match parse_object(origin.read_file(file), what, _BOUNDS):
        case {"weight_map": dict(weight_map)} if weight_map:
            for name, shard in weight_map.items():
                if not isinstance(shard, str):
                    raise CheckpointError(
                        f"{what} has in its weight_map {said(name)} in {said(shard)}; not a shard's name"
                    )
                if not name.isprintable() or len(name) > NAME_LIMIT:
                    raise CheckpointError(f"{what} has in its weight_map the tensor {said(name)}; not a sound file")
            return weight_map
    raise CheckpointError(f"{what} has no weight_map of tensors to shards")


def _why_none(origin: Origin, files: Mapping[str, FileVersion]) -> str:
    others = sorted(name for name in files if name.endswith(".safetensors"))
    if others:
        return f"has neither {_SINGLE} nor {_INDEX}, only {', '.join(others[:3])}; not a checkpoint of transformers' layout"
    if any(name.endswith(_PICKLES) for name in files):
        advice = origin.missing_weights_advice() or "convert it with transformers' save_pretrained"
        return f"has only pickled weights, which can run code and are never opened; {advice}"
    if unread := sorted(name for name in files if name.endswith(_OTHER_FORMATS)):
        return f"has no {_SINGLE}, only {', '.join(unread[:3])}, a format that is not read; convert it to safetensors"
    return f"has no weights: neither {_SINGLE} nor {_INDEX}"
