"""Weight files that no sound writer makes: each is refused in one line that names the file and the cause, none is read."""

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gated_ray.errors import CheckpointError, InputError, UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.sources.slices import TensorSlice
from tests.servers.hub import HubServer

FILE = "model.safetensors"


def entry(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def raw(header: bytes, data: int = 0, length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + bytes(data)


def packed(data: int = 4, **tensors: Any) -> bytes:
    return raw(json.dumps(tensors).encode(), data)


def named(name: str) -> bytes:
    return raw(json.dumps({name: entry()}).encode(), 4)


def of_fields(fields: str) -> bytes:
    return raw(b'{"a":{%s}}' % fields.encode(), 4)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n")
    return file.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 4976698672\n"

SOUND = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'

HOSTILE: dict[str, tuple[bytes, str]] = {
    # what is no safetensors file at all
    "empty": (b"", "0 bytes are no safetensors file"),
    "seven_bytes": (b"1234567", "7 bytes are no safetensors file"),
    "zeros": (bytes(4096), "nothing but zeros"),
    "html": (b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>", "HTML page"),
    "html_in_capitals_after_blanks": (b"\n  <HTML><body>502 Bad Gateway</body></HTML>", "HTML page"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML page"),
    "lfs_pointer": (POINTER, "Git LFS pointer, not the file: run git lfs pull"),
    "zip": (zipped(), "zip archive as torch.save makes it"),
    "pickle": (pickle.dumps({"a": [1.0] * 100}), "pickle, which can run code"),
    "old_torch": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickle, which can run code"),
    "gzip": (gzip.compress(raw(SOUND, 4), mtime=0), "gzip archive"),
    "gguf": (b"GGUF\x03\0\0\0\x23\x01\0\0\0\0\0\0" + bytes(64), "GGUF file"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5 file"),
    "json_alone": (SOUND, "limit of 25000000"),
    # the length
    "length_0": (raw(b"", 5), "nothing but zeros"),
    "length_0_and_data": (raw(b"", 0) + b"data", "header is not JSON that begins with {"),
    "length_1": (raw(b"{", 4), "header is not JSON"),
    "length_beyond_the_file": (raw(SOUND, 0, length=1000), "truncated within its header"),
    "length_of_a_header_cut_short": (raw(SOUND)[:40], "truncated within its header"),
    "length_one_short": (raw(SOUND, 4, length=len(SOUND) - 1), "header is not JSON"),
    "length_over_our_limit": (raw(SOUND, 4, length=25_000_001), "header of 25000001 bytes is over the limit"),
    "length_2**63": (raw(SOUND, 4, length=2**63), "over the limit"),
    "length_2**64-1": (raw(SOUND, 4, length=2**64 - 1), "over the limit"),
    # the text
    "utf16": (raw(SOUND.decode().encode("utf-16"), 4), "header is not JSON that begins with {"),
    "utf32": (raw(SOUND.decode().encode("utf-32"), 4), "header is not JSON that begins with {"),
    "byte_order_mark": (raw(b"\xef\xbb\xbf" + SOUND, 4), "header is not JSON that begins with {"),
    "not_utf8": (raw(SOUND.replace(b"a", b"\xff", 1), 4), "header is not JSON"),
    "blanks_before": (raw(b"   " + SOUND, 4), "header is not JSON that begins with {"),
    "trailing_garbage": (raw(SOUND + b"x", 4), "header is not JSON"),
    "trailing_zeros": (raw(SOUND + bytes(8), 4), "header is not JSON"),
    "two_headers": (raw(SOUND * 2, 4), "header is not JSON"),
    "array": (raw(b"[1, 2]", 4), "header is not JSON that begins with {"),
    "string": (raw(b'"model"', 4), "header is not JSON that begins with {"),
    "number": (raw(b"17", 4), "header is not JSON that begins with {"),
    "single_quotes": (raw(SOUND.replace(b'"', b"'"), 4), "header is not JSON"),
    "nested_1e5_lists": (raw(b'{"a":' + b"[" * 100_000, 4), "header is not JSON"),
    "nested_1e5_objects": (raw(b'{"a":' * 100_000, 4), "header is not JSON"),
    "half_a_surrogate_pair": (raw(SOUND.replace(b"a", b"\\ud800", 1), 4), "safetensors"),
    "nan": (of_fields('"dtype":"F32","shape":[NaN],"data_offsets":[0,4]'), "shape [nan]"),
    "infinity": (of_fields('"dtype":"F32","shape":[1],"data_offsets":[0,Infinity]'), "data_offsets [0, inf]"),
    "many_values": (raw(b'{"a":[' + b"0," * 1_200_000 + b"0]}"), "values, over the limit of 1200000"),
    "many_objects": (raw(b'{"a":[' + b"{}," * 200_000 + b"{}]}"), "objects, over the limit of 200000"),
    "many_keys": (raw(b"{%s}" % b",".join(b'"%d":0' % n for n in range(500_001))), "keys, over the limit of 500000"),
    # names
    "empty_name": (named(""), "tensor name '' is empty"),
    "line_break_in_a_name": (named("a\nb"), r"tensor name 'a\nb' is"),
    "escape_in_a_name": (named("a\x1b[2Jb"), r"tensor name 'a\x1b[2Jb' is"),
    "nul_in_a_name": (named("a\0b"), r"tensor name 'a\x00b' is"),
    "right_to_left_in_a_name": (named("a\u202eb"), r"tensor name 'a\u202eb' is"),
    "long_name": (named("x" * 501), "longer than 500 characters"),
    "name_twice": (raw(SOUND[:-1] + b"," + SOUND[1:], 4), "names 'a' twice"),
    "name_twice_in_other_spelling": (raw(SOUND[:-1] + b"," + SOUND[1:].replace(b"a", b"\\u0061", 1), 4), "'a' twice"),
    # metadata
    "metadata_list": (packed(0, __metadata__=[]), "expected a map"),
    "metadata_of_a_number": (packed(0, __metadata__={"format": 1}), "expected a string"),
    "metadata_nested": (packed(0, __metadata__={"format": {"a": "b"}}), "expected a string"),
    "metadata_twice": (raw(b'{"__metadata__":{"a":"b"},"__metadata__":{}}'), "'__metadata__' twice"),
    "metadata_is_a_tensor": (packed(4, __metadata__=entry()), "safetensors"),
    # entries
    "entry_null": (packed(a=None), "the entry None"),
    "entry_list": (packed(a=["F32", [1], [0, 4]]), "which is no JSON object"),
    "entry_empty": (packed(a={}), "tensor 'a' has no dtype"),
    "no_shape": (packed(a={"dtype": "F32", "data_offsets": [0, 4]}), "tensor 'a' has no shape"),
    "no_offsets": (packed(a={"dtype": "F32", "shape": [1]}), "tensor 'a' has no data_offsets"),
    "shape_twice": (of_fields('"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]'), "'shape' twice"),
    "more_digits_than_any_number": (of_fields(f'"dtype":"F32","shape":[{"9" * 5000}],"data_offsets":[0,4]'), "digits"),
    # dtypes
    "dtype_unknown": (packed(a=entry("F12")), "dtype 'F12', which safetensors does not know"),
    "dtype_small_letters": (packed(a=entry("f32")), "dtype 'f32'"),
    "dtype_null": (packed(a=entry(None)), "dtype None"),
    "dtype_of_numpy": (packed(a=entry("<f4")), "dtype '<f4'"),
    "dtype_with_a_line_break": (packed(a=entry("F32\n")), r"dtype 'F32\n'"),
    "half_a_byte": (packed(2, a=entry("F4", [3], [0, 2])), "fills no whole bytes"),
    "six_bits": (packed(1, a=entry("F6_E2M3", [1], [0, 1])), "fills no whole bytes"),
    # shapes
    "shape_larger": (packed(a=entry(shape=[2])), "shape [2] of F32, which needs 8 bytes"),
    "shape_smaller": (packed(8, a=entry(offsets=[0, 8])), "shape [1] of F32, which needs 4 bytes"),
    "shape_negative": (packed(a=entry(shape=[-1])), "shape [-1]"),
    "shape_twice_negative": (packed(a=entry(shape=[-1, -1])), "shape [-1, -1]"),
    "shape_float": (packed(a=entry(shape=[1.0])), "shape [1.0]"),
    "shape_bool": (packed(a=entry(shape=[True])), "shape [True]"),
    "shape_number": (packed(a=entry(shape=1)), "shape 1"),
    "shape_object": (packed(a=entry(shape={"0": 1})), "shape {'0': 1}"),
    "shape_overflows_to_0": (packed(0, a=entry(shape=[2**32, 2**32], offsets=[0, 0])), "4294967296"),
    "shape_2**63_twice": (packed(a=entry(shape=[2**63, 2**63])), "9223372036854775808"),
    "shape_over_64_bits": (packed(a=entry(shape=[2**64])), "18446744073709551616"),
    "shape_of_nothing_but_large": (packed(0, a=entry(shape=[0, 2**63], offsets=[0, 0])), "9223372036854775808"),
    "rank_10000": (packed(a=entry(shape=[1] * 10_000)), "of 10000 dimensions"),
    "rank_and_sizes_without_end": (packed(a=entry(shape=[1000] * 500_000)), "of 500000 dimensions"),
    "rank_17": (packed(a=entry(shape=[1] * 17)), "of 17 dimensions"),
    # offsets
    "overlap": (packed(a=entry(), b=entry()), "overlap"),
    "overlap_in_part": (packed(6, a=entry(), b=entry(offsets=[2, 6])), "overlap 'a'"),
    "hole_between": (packed(12, a=entry(), b=entry(offsets=[8, 12])), "hole of 4 bytes"),
    "hole_before": (packed(8, a=entry(offsets=[4, 8])), "hole of 4 bytes"),
    "hole_behind": (packed(8, a=entry()), "4 bytes of 8: a hole at the end"),
    "no_tensors_but_data": (packed(8), "0 bytes of 8: a hole at the end"),
    "offset_negative": (packed(a=entry(offsets=[-4, 0])), "data_offsets [-4, 0]"),
    "offset_float": (packed(a=entry(offsets=[0.0, 4])), "data_offsets [0.0, 4]"),
    "offset_string": (packed(a=entry(offsets=["0", "4"])), "data_offsets ['0', '4']"),
    "offset_bool": (packed(1, a=entry("U8", [1], [False, True])), "data_offsets [False, True]"),
    "offset_null": (packed(a=entry(offsets=None)), "data_offsets None"),
    "offsets_backwards": (packed(a=entry(offsets=[4, 0])), "end before they begin"),
    "one_offset": (packed(a=entry(offsets=[4])), "which are no two offsets"),
    "three_offsets": (packed(a=entry(offsets=[0, 4, 8])), "which are no two offsets"),
    "offsets_beyond_the_file": (packed(4, a=entry(), b=entry(offsets=[4, 8])), "truncated: tensor 'b' ends 8 bytes"),
    "offset_2**62": (packed(4, a=entry("U8", [2**62], [0, 2**62])), "truncated: tensor 'a'"),
    "offset_over_64_bits": (packed(4, a=entry(offsets=[2**65, 2**65 + 4])), "36893488147419103236], which are no two"),
    "offset_1e999": (of_fields('"dtype":"F32","shape":[1],"data_offsets":[0,1e999]'), "data_offsets [0, inf]"),
    "many_tensors": (
        raw(json.dumps({f"{n}": entry(shape=(0,), offsets=(0, 0)) for n in range(100_001)}).encode()),
        "100001 tensors are over the limit of 100000",
    ),
}


def written(folder: Path, content: bytes) -> str:
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / FILE).write_bytes(content)
    return str(folder)


def refused(ref: str, words: str, kind: type[InputError] = CheckpointError) -> None:
    with pytest.raises(kind) as refusal:
        open_checkpoint(ref)
    message = str(refusal.value)
    assert message.startswith(f"{ref}: {FILE}: "), message
    assert message.isprintable(), message
    assert len(message) < 600
    assert words in message


def test_there_are_fifty() -> None:
    assert len(HOSTILE) >= 50


def test_the_one_that_they_are_made_of_is_sound(tmp_path: Path) -> None:
    assert open_checkpoint(written(tmp_path / "m", raw(SOUND, 4))).tensors["a"].shape == (1,)


@pytest.mark.parametrize("name", HOSTILE)
def test_refused(tmp_path: Path, name: str) -> None:
    content, words = HOSTILE[name]
    refused(written(tmp_path / "m", content), words)


@pytest.mark.parametrize(
    "name", ["html", "lfs_pointer", "length_2**63", "overlap", "entry_list", "empty_name", "rank_17"]
)
def test_refused_on_the_hub(hub: HubServer, tmp_path: Path, name: str) -> None:
    content, words = HOSTILE[name]
    written(tmp_path / "m", content)
    hub.add_repo("org/hostile", tmp_path / "m")
    refused("org/hostile", words)


@pytest.mark.parametrize("cut", range(0, 8 + len(SOUND) + 4, 3))
def test_a_sound_file_cut_short_anywhere(tmp_path: Path, cut: int) -> None:
    refused(written(tmp_path / "m", raw(SOUND, 4)[:cut]), "")


def test_blanks_behind_the_header_are_padding(tmp_path: Path) -> None:
    assert open_checkpoint(written(tmp_path / "m", raw(SOUND + b" " * 1000, 4))).tensors["a"].bytes == 4


def test_metadata_of_a_megabyte_is_no_fault(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt", "notes": "x, [" * 250_000}, "a": entry()}
    assert open_checkpoint(written(tmp_path / "m", raw(json.dumps(header).encode(), 4))).tensors["a"].bytes == 4


def test_a_tensor_too_large_to_be_read_at_once_is_refused_where_it_is_read_only(tmp_path: Path) -> None:
    """A model may have one, in a part that nobody asks for."""
    size = (16 << 30) + 4
    folder = Path(written(tmp_path / "m", packed(0, big=entry("BF16", [2, size // 4], [0, size]))))
    with (folder / FILE).open("r+b") as file:
        file.truncate(file.seek(0, 2) + size)
    record = open_checkpoint(str(folder)).tensors["big"]
    assert TensorSlice(record, 1, 1).bytes == size // 2
    with pytest.raises(UnsupportedError, match=rf"tensor big of {FILE} has {size} bytes, over the limit"):
        TensorSlice(record)
