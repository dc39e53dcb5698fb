"""Checkpoints broken on purpose, each in one way: ``break_xxx(folder)`` changes a folder that `sound_checkpoint` wrote.

`BROKEN` holds those that must be refused, with the words that the one-line error must contain (capitals aside);
`UNUSUAL` those that must be read all the same.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.checkpoints.raw_safetensors import StoredTensor, pack, read_raw, unpack, write_raw
from tests.checkpoints.sound import (
    BF16_BYTES,
    CONFIG,
    D_MLP,
    D_MODEL,
    FIRST,
    GAIN,
    GATE,
    IN,
    INDEX,
    LAST,
    LAYERS,
    OUT,
    cut,
    edit_tensor,
    set_config,
    with_column,
    with_row,
)


def break_missing_shard(folder: Path) -> None:
    (folder / LAST).unlink()


def break_missing_tensor(folder: Path) -> None:
    """The index names a tensor that its shard lacks."""
    tensors = unpack(folder / FIRST)
    del tensors[IN]
    pack(folder / FIRST, tensors)


def break_truncated_shard(folder: Path) -> None:
    content = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(content[:-1])


def break_truncated_header(folder: Path) -> None:
    content = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(content[:100])


def break_empty_shard(folder: Path) -> None:
    (folder / FIRST).write_bytes(b"")


def break_header_over_limit(folder: Path) -> None:
    content = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes((200_000_000).to_bytes(8, "little") + content[8:])


def break_header_not_json(folder: Path) -> None:
    content = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(content[:8] + b"<" + content[9:])


def break_overlapping_offsets(folder: Path) -> None:
    """up_proj claims the bytes of gate_proj."""
    header, data = read_raw(folder / FIRST)
    header[IN]["data_offsets"] = header[GATE]["data_offsets"]
    write_raw(folder / FIRST, header, data)


def break_hole_in_offsets(folder: Path) -> None:
    """Eight bytes before the last tensor belong to none."""
    header, data = read_raw(folder / FIRST)
    last = max((entry for name, entry in header.items() if name != "__metadata__"), key=lambda e: e["data_offsets"][1])
    begin, end = last["data_offsets"]
    last["data_offsets"] = [begin + 8, end + 8]
    write_raw(folder / FIRST, header, data[:begin] + bytes(8) + data[begin:])


def break_shape_larger_than_data(folder: Path) -> None:
    header, data = read_raw(folder / FIRST)
    header[IN]["shape"] = [D_MLP, D_MODEL + 1]
    write_raw(folder / FIRST, header, data)


def break_shard_outside_folder(folder: Path) -> None:
    """The index leads out of the folder, to a shard that is really there."""
    (folder / FIRST).rename(folder.parent / "evil.safetensors")
    _rename_first_shard(folder, "../evil.safetensors")


def break_absolute_shard_name(folder: Path) -> None:
    _rename_first_shard(folder, "/etc/passwd")


def break_index_not_json(folder: Path) -> None:
    text = (folder / INDEX).read_text()
    (folder / INDEX).write_text(text[: len(text) // 2])


def break_tensor_in_two_shards(folder: Path) -> None:
    tensor = unpack(folder / FIRST)[IN]
    pack(folder / LAST, unpack(folder / LAST) | {IN: replace(tensor, data=bytes(len(tensor.data)))})


def break_other_d_mlp_in_out(folder: Path) -> None:
    """down_proj has one neuron less than gate_proj and up_proj."""
    edit_tensor(folder, OUT, cut((D_MODEL, D_MLP - 1)))


def break_other_d_mlp_in_gate(folder: Path) -> None:
    edit_tensor(folder, GATE, cut((D_MLP - 1, D_MODEL)))


def break_gain_too_short(folder: Path) -> None:
    edit_tensor(folder, GAIN, cut((D_MODEL - 1,)))


def break_dtype(folder: Path, dtype: str) -> None:
    """gate_proj is stored in a dtype of one byte, without a word of quantization in the config."""
    edit_tensor(folder, GATE, lambda old: StoredTensor(dtype, old.shape, old.data[: len(old.data) // BF16_BYTES]))


def break_no_config(folder: Path) -> None:
    (folder / CONFIG).unlink()


def break_config_not_json(folder: Path) -> None:
    (folder / CONFIG).write_text("{'model_type': 'llama'}")


def break_no_model_type(folder: Path) -> None:
    """Nor anything else that tells the kind of its norms."""
    config = json.loads((folder / CONFIG).read_text())
    del config["model_type"], config["rms_norm_eps"]
    (folder / CONFIG).write_text(json.dumps(config))


def break_unknown_model_type(folder: Path) -> None:
    """Nor anything that tells the kind of its norms."""
    break_no_model_type(folder)
    set_config(folder, model_type="perceptron_of_1958")


def break_quantized(folder: Path, quant_method: str) -> None:
    set_config(folder, quantization_config={"quant_method": quant_method, "bits": 4})


def break_layer_missing(folder: Path) -> None:
    """The config announces one layer more than there are tensors for."""
    set_config(folder, num_hidden_layers=LAYERS + 1)


def break_layer_unannounced(folder: Path) -> None:
    """The config announces one layer less than there are tensors for."""
    set_config(folder, num_hidden_layers=LAYERS - 1)


def break_only_pickles(folder: Path) -> None:
    break_no_weights(folder)
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04")


def break_no_weights(folder: Path) -> None:
    for name in (FIRST, LAST, INDEX):
        (folder / name).unlink()


def consolidated_beside(folder: Path) -> None:
    """Another copy of the weights under other names, as Mistral's repositories have; it is not the checkpoint."""
    pack(folder / "consolidated.safetensors", {"layers.0.feed_forward.w1.weight": StoredTensor("BF16", (1,), bytes(2))})


def unlisted_model_type(folder: Path) -> None:
    """The names of tensors and norms, and the config's rms_norm_eps, tell all that is needed."""
    set_config(folder, model_type="perceptron_of_1958")


def quantized_in_name_only(folder: Path) -> None:
    """The config speaks of quantization, and every weight is plain: dequantized, or to be quantized when loaded."""
    set_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})


def zero_vectors(folder: Path) -> None:
    """In layer 0, neuron 0 has no w_gate, neuron 1 no w_in, neuron 2 no w_out."""
    zeros = bytes(BF16_BYTES * D_MODEL)
    edit_tensor(folder, GATE, with_row(0, zeros))
    edit_tensor(folder, IN, with_row(1, zeros))
    edit_tensor(folder, OUT, with_column(2, zeros))


def nonfinite_weights(folder: Path) -> None:
    """In layer 0, neuron 3 has one NaN in w_gate, neuron 4 only infinities in w_in, neuron 5 only minus infinities in w_out."""
    one, nan, infinity, minus_infinity = b"\x80\x3f", b"\xc0\x7f", b"\x80\x7f", b"\x80\xff"
    edit_tensor(folder, GATE, with_row(3, nan + one * (D_MODEL - 1)))
    edit_tensor(folder, IN, with_row(4, infinity * D_MODEL))
    edit_tensor(folder, OUT, with_column(5, minus_infinity * D_MODEL))


@dataclass(frozen=True)
class Broken:
    """One way to break a checkpoint, and what the error must say."""

    apply: Callable[[Path], None]
    words: tuple[str, ...]

    def __call__(self, folder: Path) -> None:
        self.apply(folder)


BROKEN: dict[str, Broken] = {
    "missing_shard": Broken(break_missing_shard, (LAST, "missing")),
    "missing_tensor": Broken(break_missing_tensor, (FIRST, IN)),
    "truncated_shard": Broken(break_truncated_shard, (FIRST, "truncated")),
    "truncated_header": Broken(break_truncated_header, (FIRST, "truncated")),
    "empty_shard": Broken(break_empty_shard, (FIRST,)),
    "header_over_limit": Broken(break_header_over_limit, (FIRST, "header", "limit")),
    "header_not_json": Broken(break_header_not_json, (FIRST, "header", "JSON")),
    "overlapping_offsets": Broken(break_overlapping_offsets, (FIRST, "offset")),
    "hole_in_offsets": Broken(break_hole_in_offsets, (FIRST, "offset")),
    "shape_larger_than_data": Broken(break_shape_larger_than_data, (FIRST, "shape")),
    "shard_outside_folder": Broken(break_shard_outside_folder, ("../evil.safetensors",)),
    "absolute_shard_name": Broken(break_absolute_shard_name, ("/etc/passwd",)),
    "index_not_json": Broken(break_index_not_json, (INDEX, "JSON")),
    "tensor_in_two_shards": Broken(break_tensor_in_two_shards, (IN, FIRST, LAST)),
    "other_d_mlp_in_out": Broken(break_other_d_mlp_in_out, (OUT, str(D_MLP - 1))),
    "other_d_mlp_in_gate": Broken(break_other_d_mlp_in_gate, (GATE, str(D_MLP - 1))),
    "gain_too_short": Broken(break_gain_too_short, (GAIN, str(D_MODEL - 1))),
    "no_config": Broken(break_no_config, (CONFIG,)),
    "config_not_json": Broken(break_config_not_json, (CONFIG, "JSON")),
    "no_model_type": Broken(break_no_model_type, ("model_type",)),
    "unknown_model_type": Broken(break_unknown_model_type, ("perceptron_of_1958",)),
    "layer_missing": Broken(break_layer_missing, ("layer",)),
    "layer_unannounced": Broken(break_layer_unannounced, ("layer",)),
    "only_pickles": Broken(break_only_pickles, ("pickle",)),
    "no_weights": Broken(break_no_weights, ("no weights",)),
    **{f"dtype_{dtype}": Broken(partial(break_dtype, dtype=dtype), (GATE, dtype)) for dtype in ("I8", "F8_E4M3", "U8")},
    **{
        f"quantized_{method}": Broken(partial(break_quantized, quant_method=method), ("quant", method))
        for method in ("hqq", "quanto", "exl2", "torchao", "aqlm", "eetq")
    },
}

UNUSUAL: dict[str, Callable[[Path], None]] = {
    "consolidated_beside": consolidated_beside,
    "unlisted_model_type": unlisted_model_type,
    "quantized_in_name_only": quantized_in_name_only,
    "zero_vectors": zero_vectors,
    "nonfinite_weights": nonfinite_weights,
}


def _rename_first_shard(folder: Path, name: str) -> None:
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"] = {tensor: name if shard == FIRST else shard for tensor, shard in index["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(index))
