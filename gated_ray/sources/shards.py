"""Which files of a checkpoint hold its weights."""

import json
from collections.abc import Mapping

from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.origin import FileVersion, Origin

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_INDEX_LIMIT = 200_000_000
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
    for name in names:
        if "/" in name or "\\" in name or not name.endswith(".safetensors"):
            raise CheckpointError(f"{ref}: {_INDEX} names the shard {name!r}; a shard is a .safetensors file beside it")
        if name not in files:
            raise CheckpointError(f"{ref}: {_INDEX} names the shard {name}, which is missing; download it again")
    return [files[name] for name in names], weight_map


def _weight_map(origin: Origin, file: FileVersion, ref: str) -> dict[str, str]:
    if file.size > _INDEX_LIMIT:
        raise CheckpointError(f"{ref}: {_INDEX} has {file.size} bytes; not an index")
    try:
        index = json.loads(origin.read_file(file))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{ref}: {_INDEX} is not JSON ({error})") from error
    match index:
        case {"weight_map": dict(weight_map)} if weight_map and all(isinstance(s, str) for s in weight_map.values()):
            return weight_map
    raise CheckpointError(f"{ref}: {_INDEX} has no weight_map of tensors to shards")


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
