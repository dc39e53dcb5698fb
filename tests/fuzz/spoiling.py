"""Checkpoints spoiled at random: in what config, index and headers say, in how JSON spells it, and in single bytes."""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

from gated_ray.architectures.rules import built_in_rules
from tests.fuzz.bases import BYTES, Base, Tensors, bases, size_of

Files = dict[str, tuple[bytes, int]]
"""What each file begins with, and its size: the rest is a hole."""

CONFIG, INDEX, SINGLE = "config.json", "model.safetensors.index.json", "model.safetensors"

_DEEP: Any = []
for _ in range(70):
    _DEEP = [_DEEP]

_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        2,
        3,
        -1,
        -(2**63),
        2**31,
        2**63,
        2**64,
        10**30,
        10**60,
        0.0,
        -0.0,
        0.5,
        2.0,
        1e300,
        1e-300,
    ),
    *(
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        "a",
        "16",
        "nan",
        "a\nb",
        "\x1b[2J",
        "\0",
        "\ud800",
        "é",
        "x" * 3000,
        "re:(",
    ),
    *(
        "auto",
        "gelu",
        "float",
        "int",
        "group",
        "block",
        "channel",
        "1x8",
        "0x0",
        "nvfp4-pack-quantized",
        "float-quantized",
    ),
    *(
        [],
        [[]],
        [0],
        [1, 2],
        [True],
        ["a"],
        [None, {}],
        [8, 8],
        [0, 0],
        [1.5, 2],
        list(range(300)),
        {},
        {"a": 1},
        {"": []},
    ),
    *({"quant_method": "gptq"}, {"weights": 3}, {"format": ["a"]}, [{}], _DEEP),
)

_TOKENS = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\0",
        b"\xff",
        b"\n",
        b"NaN",
        b"Infinity",
    ),
    *(
        b"-1",
        b"1e999",
        b"9" * 5000,
        b"0",
        b"null",
        b"true",
        b"[" * 200,
        b'{"a":' * 200,
        b"1.0",
        b"18446744073709551616",
    ),
    *(
        b"/",
        b"..",
        b"\xef\xbb\xbf",
        b"__metadata__",
        b'"dtype":"F4"',
        b"version https://git-lfs",
        b"<html>",
        b"\x80\x04",
    ),
)


@cache
def _sound() -> list[Base]:
    return bases()


@cache
def _keys() -> list[str]:
    """Keys that any rule looks at, and those of quantization configs."""
    keys = {"model_type", "architectures", "is_encoder_decoder", "num_nextn_predict_layers", "_class_name"}
    keys |= {"quantization_config", "compression_config", "text_config", "vlm_config", "encoder", "decoder"}
    rules = built_in_rules()
    for rule in (rules.base, *(each for family in rules.families.values() for each in family)):
        for named in (rule.layers, rule.d_model, rule.d_mlp, rule.d_expert, rule.experts, rule.activation):
            keys |= {part for key in named for part in key.split(".") if not part.isdecimal()}
    return sorted(keys | rules.telling_keys)


_QUANTIZATION_KEYS = (
    *(
        "quant_method",
        "bits",
        "group_size",
        "w_bit",
        "q_group_size",
        "version",
        "format",
        "checkpoint_format",
        "dynamic",
    ),
    *("weight_block_size", "config_groups", "sparsity_config", "transform_config", "moe_sparsity_config", "backend"),
    *(
        "load_in_4bit",
        "load_in_8bit",
        "linear_class",
        "quantization_mode",
        "use_rms_norm",
        "zero_point",
        "is_marlin_format",
    ),
    *("targets", "weights", "num_bits", "type", "strategy", "symmetric", "actorder", "block_structure", "ignore"),
)


def spoiled(random: Random) -> Files:
    """One checkpoint with zero to some faults; what is no fault may come out too."""
    base = random.choice(_sound())
    config, tensors = deepcopy(base.config), dict(base.tensors)
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        _spoil_json(random, config)
    if random.random() < 0.1:
        config["model_type"] = random.choice(sorted(built_in_rules().families))
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        _spoil_tensors(random, tensors)
    files = _packed(random, config, tensors)
    if random.random() < 0.25:
        name = random.choice(sorted(files))
        content, size = files[name]
        changed = _spoil_bytes(random, content)
        files[name] = changed, max(len(changed), size + len(changed) - len(content))
    if random.random() < 0.05:
        name = random.choice(sorted(files))
        content, size = files[name]
        files[name] = content, max(len(content), size + random.choice((-1, 1, 8, 1 << 20, 1 << 45, 1 << 50)))
    if random.random() < 0.02:
        del files[random.choice(sorted(files))]
    return files


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _spoil_json(random: Random, document: Any) -> None:
    """Change, add or take away one value anywhere in it."""
    place = random.choice(list(_containers(document))[:200])
    value = deepcopy(random.choice(_VALUES))
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    action = random.random()
    if action < 0.2 and keys:
        del place[random.choice(keys)]
    elif action < 0.7 and keys:
        place[random.choice(keys)] = value
    elif isinstance(place, dict):
        place[random.choice(random.choice((_keys(), _QUANTIZATION_KEYS)))] = value
    else:
        place.insert(random.randint(0, len(place)), value)


def _spoil_tensors(random: Random, tensors: Tensors) -> None:
    """Change the name, dtype or shape of one tensor, add one or take one away; the file stays sound."""
    name = random.choice(sorted(tensors) or ["a"])
    dtype, shape = tensors.get(name, ("F32", (2,)))
    match random.randint(0, 6):
        case 0:
            tensors.pop(name, None)
        case 1:
            tensors[name] = random.choice(sorted(BYTES)), shape
        case 2:
            tensors[name] = dtype, _other_shape(random, shape)
        case 3:
            tensors[_other_name(random, name, tensors)] = tensors.pop(name, (dtype, shape))
        case 4:
            tensors[_other_name(random, name, tensors)] = dtype, shape
        case 5:
            leaf = random.choice(
                ("weight_scale", "qweight", "scales", "weight_packed", "SCB", "bias", "weight_scale_inv")
            )
            tensors[f"{name.removesuffix('.weight')}.{leaf}"] = (
                random.choice(sorted(BYTES)),
                _other_shape(random, shape),
            )
        case 6:  # in all layers alike
            leaf = name.rpartition(".")[0].rpartition(".")[2]
            for each in [each for each in tensors if f".{leaf}." in each]:
                tensors[each] = tensors[each][0], _other_shape(Random(random.random()), tensors[each][1])


def _other_shape(random: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = list(shape)
    place = random.randrange(len(sizes)) if sizes else 0
    size = random.choice((0, 1, 2, 3, 8, 12, 16, 24, 1000, 1 << 20, 1 << 31, 1 << 40))
    match random.randint(0, 4) if sizes else 0:
        case 0:
            sizes.insert(place, size)
        case 1:
            del sizes[place]
        case 2:
            sizes[place] = size
        case 3:
            sizes.reverse()
        case 4:
            sizes[place] += random.choice((-1, 1, sizes[place]))
    return tuple(max(0, each) for each in sizes)


def _other_name(random: Random, name: str, tensors: Tensors) -> str:
    parts = name.split(".")
    place = random.randrange(len(parts))
    others = random.choice(sorted(tensors) or ["a"]).split(".")
    odd = (
        "",
        "0",
        "1",
        "-1",
        "99999",
        "100000",
        "²",
        "a b",
        "a\n",
        "x" * 600,
        "é",
        "__metadata__",
        "experts",
        "weight",
    )
    parts[place] = random.choice((random.choice(others), random.choice(odd), f"{parts[place]}.{random.choice(odd)}"))
    return ".".join(parts)


def _packed(random: Random, config: Any, tensors: Tensors) -> Files:
    """The checkpoint in one to three shards, of which sometimes a header or the index is spoiled."""
    count = random.choice((1, 1, 2, 3))
    shards = [SINGLE] if count == 1 else [f"model-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)]
    of_shard: dict[str, Tensors] = {shard: {} for shard in shards}
    for name, each in tensors.items():
        of_shard[random.choice(shards)][name] = each
    files: Files = {CONFIG: _whole(_as_json(random, config))}
    for shard, within in of_shard.items():
        files[shard] = _shard(random, within)
    if count > 1:
        weight_map = {name: shard for shard, within in of_shard.items() for name in within}
        index: Any = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        if random.random() < 0.15:
            _spoil_json(random, index)
        if random.random() < 0.1 and weight_map:
            odd = ("../a.safetensors", "/etc/passwd", "a\n.safetensors", "..", shards[0], "x" * 5000, "config.json")
            weight_map[random.choice(sorted(weight_map))] = random.choice(odd)
        files[INDEX] = _whole(_as_json(random, index))
    return files


def _shard(random: Random, tensors: Tensors) -> tuple[bytes, int]:
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + size_of(dtype, shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    if random.random() < 0.3:
        header["__metadata__"] = {"format": random.choice(("pt", "pt", "mlx"))}
    if random.random() < 0.15:
        _spoil_json(random, header)
    text = _as_json(random, header)
    text += b" " * (-len(text) % 8)
    length = len(text) if random.random() < 0.98 else random.choice((0, 1, len(text) - 1, len(text) + 1, 1 << 40))
    return length.to_bytes(8, "little") + text, 8 + len(text) + end


def _whole(content: bytes) -> tuple[bytes, int]:
    return content, len(content)


def _as_json(random: Random, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=random.random() < 0.9).encode(errors="surrogatepass")
    if random.random() < 0.03 and text.endswith(b"}") and len(text) > 2:  # some key twice
        text = text[:-1] + b"," + text[1:]
    if random.random() < 0.01:
        text = text.decode(errors="replace").encode(random.choice(("utf-16", "utf-8-sig", "utf-32")))
    return text


def _spoil_bytes(random: Random, content: bytes) -> bytes:
    """Some bytes or tokens changed, put in or taken away."""
    for _ in range(random.choice((1, 1, 2, 8))):
        place = random.randint(0, len(content))
        head, tail = content[:place], content[place:]
        match random.randint(0, 4):
            case 0:
                content = head + bytes([random.randrange(256)]) + tail[1:]
            case 1:
                content = head + random.choice(_TOKENS) + tail
            case 2:
                content = head + tail[random.choice((1, 2, 8, 64)) :]
            case 3:
                content = head
            case 4:
                content = head + content[random.randint(0, len(content)) :]
    return content
