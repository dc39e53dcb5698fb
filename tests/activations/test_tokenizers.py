"""A model's tokenizer, wherever it lies: known by its files and class, and refused in one line where it cannot be had."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gated_ray.activations import tokenizers as module
from gated_ray.activations.tokenizers import Tokenizer, load_tokenizer
from gated_ray.errors import CheckpointError, GatedRayError, UnsupportedError
from gated_ray.sources.checkpoint import locate, open_checkpoint
from tests.activations.small_tokenizers import LLAMA, NAMES
from tests.servers.hub import HubServer
from tests.servers.s3 import S3Server


def copied(folder: Path, *, weights: bool = False) -> Path:
    folder.mkdir()
    for path in LLAMA.iterdir():
        if weights or path.suffix != ".safetensors":
            shutil.copy(path, folder)
    return folder


def load(folder: Path) -> Tokenizer:
    return load_tokenizer(locate(str(folder)))


def test_no_weights_are_needed_and_none_are_read(tmp_path: Path, llama: Tokenizer) -> None:
    found = load(copied(tmp_path / "model"))
    assert (found.digest, found.size, found.added) == (llama.digest, 2048, 1)


def test_a_checkpoint_does_as_well(llama: Tokenizer) -> None:
    assert load_tokenizer(open_checkpoint(str(LLAMA))).digest == llama.digest


def test_every_tokenizer_has_a_digest_of_its_own(tokenizers: dict[str, Tokenizer]) -> None:
    digests = {tokenizer.digest for tokenizer in tokenizers.values()}
    assert len(digests) == len(NAMES)
    assert all(len(digest) == 12 and set(digest) <= set("0123456789abcdef") for digest in digests)


def test_size_is_one_more_than_the_largest_id(tmp_path: Path) -> None:
    folder = copied(tmp_path / "model")
    document = json.loads((folder / "tokenizer.json").read_text())
    document["added_tokens"].append({**document["added_tokens"][0], "id": 5000, "content": "<far>"})
    (folder / "tokenizer.json").write_text(json.dumps(document))
    found = load(folder)
    assert found.size == max(found.encode_batch(["<far>"], 9)[0].ids) + 1
    assert found.size > 2048 >= found.plain_size


def change_config(folder: Path) -> None:
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("384", "385"))


def add_files(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "README.md").write_text("about")
    (folder / "tokenizer.py").write_text("raise SystemExit")


def change_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"add_prefix_space": false', '"add_prefix_space": true', 1))


def add_special(folder: Path) -> None:
    (folder / "special_tokens_map.json").write_text('{"pad_token": "<|endoftext|>"}')


@pytest.mark.parametrize(
    ("change", "same"), [(change_config, True), (add_files, True), (change_tokenizer, False), (add_special, False)]
)
def test_the_digest_is_of_what_makes_the_tokens(
    change: Callable[[Path], None], same: bool, tmp_path: Path, llama: Tokenizer
) -> None:
    folder = copied(tmp_path / "model")
    before = (folder / "tokenizer.json").read_bytes()
    change(folder)
    if change is change_tokenizer:
        assert (folder / "tokenizer.json").read_bytes() != before
    assert (load(folder).digest == llama.digest) == same


def test_the_class_is_part_of_the_digest(tmp_path: Path) -> None:
    """transformers chooses it by config.json too, and it changes what becomes of the same files."""
    folder = copied(tmp_path / "model")
    (folder / "tokenizer_config.json").write_text("{}")
    digests = set()
    for model_type in ("llama", "gpt2"):
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        found = load(folder)
        digests.add((found.digest, type(found._loaded).__name__))
    assert len({digest for digest, _ in digests}) == len({kind for _, kind in digests}) == 2


def test_the_same_tokenizer_from_the_hub_and_a_bucket(
    hub: HubServer,
    presigning_moto: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    llama: Tokenizer,
) -> None:
    folder = copied(tmp_path / "model", weights=True)
    hub.add_repo("org/gated", folder, gated=True, token="hf_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert load_tokenizer(locate("org/gated")).digest == llama.digest
    read = {request.file for request in hub.log if request.method == "GET" and request.file}
    assert read == {"config.json", "tokenizer.json", "tokenizer_config.json"}
    assert hub.weight_bytes_served() == 0
    for name, value in presigning_moto.environment().items():
        monkeypatch.setenv(name, value)
    bucket = presigning_moto.make_bucket("tokenizer-models")
    for path in folder.iterdir():
        presigning_moto.client().upload_file(str(path), bucket, f"models/docs/{path.name}")
    place = locate(f"s3://{bucket}/models/docs", presigning_moto.endpoint_url)
    assert load_tokenizer(place).digest == llama.digest


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load(LLAMA)
    assert list(tmp_path.iterdir()) == []


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def without_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def own_code(folder: Path) -> None:
    """As Hub repositories with code of their own have it; this code would leave a file."""
    without_vocabulary(folder)
    (folder / "tokenization_own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    config = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_own.OwnTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}))


def own_code_elsewhere(folder: Path) -> None:
    own_code(folder)
    config = {"auto_map": {"AutoTokenizer": ["other/repo--tokenization_own.OwnTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def broken_json(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text()[:-500])


def broken_config(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{")


def unknown_model(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"type": "BPE"', '"type":"BPE"').replace('"type":"BPE"', '"type":"ABC"'))


def not_utf8(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_bytes(b'{"bos_token": "\xe9"}')


def needs_package(folder: Path) -> None:
    """Marian's tokenizer is sentencepiece's alone, which is not installed."""
    without_tokenizer(folder)
    (folder / "config.json").write_text('{"model_type": "marian"}')
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "MarianTokenizer"}')
    for name in ("source.spm", "target.spm", "vocab.json"):
        (folder / name).write_text("{}")


BAD: dict[str, tuple[Callable[[Path], None], type[GatedRayError], str]] = {
    "none": (
        without_tokenizer,
        CheckpointError,
        "holds no tokenizer (no tokenizer.json, tokenizer.model or vocab.json)",
    ),
    "no vocabulary": (without_vocabulary, CheckpointError, "holds no vocabulary of its tokenizer ("),
    "own code": (
        own_code,
        UnsupportedError,
        "needs code from its repository, which is never run; tokenize with it elsewhere",
    ),
    "own code elsewhere": (own_code_elsewhere, UnsupportedError, "needs code from its repository, which is never run"),
    "broken": (broken_json, CheckpointError, "its tokenizer cannot be loaded ("),
    "broken config": (broken_config, CheckpointError, "its tokenizer cannot be loaded ("),
    "unknown model": (unknown_model, CheckpointError, "its tokenizer cannot be loaded ("),
    "not UTF-8": (not_utf8, CheckpointError, "its tokenizer cannot be loaded ("),
    "package": (
        needs_package,
        UnsupportedError,
        "needs a package that is not installed (MarianTokenizer requires the SentencePiece library but",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_tokenizers_that_cannot_be_had(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil, kind, words = BAD[case]
    folder = copied(tmp_path / "model")
    spoil(folder)
    monkeypatch.setattr("builtins.input", lambda *_: (_ for _ in ()).throw(AssertionError("asked on the terminal")))
    with pytest.raises(kind) as error:
        load(folder)
    message = str(error.value)
    assert type(error.value) is kind
    assert message.startswith(f"{folder}: ")
    assert words in message
    assert "\n" not in message
    assert "/gated-ray-tokenizer-" not in message
    assert not (folder / "ran").exists()


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json has 122,042 bytes; not a tokenizer's file"):
        load(LLAMA)


def test_a_tokenizer_without_offsets(tmp_path: Path) -> None:
    """ByT5's has no vocabulary and is not of the tokenizers library."""
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    tokenizer = load(tmp_path)
    assert tokenizer.added == 1
    whole, cut, empty = tokenizer.encode_batch(["abc", "abcdef", ""], 4)
    assert (whole.ids.tolist(), whole.starts, whole.text, whole.truncated) == ([100, 101, 102, 1], None, "abc", False)
    assert (cut.ids.tolist(), cut.starts, cut.text, cut.truncated) == ([100, 101, 102, 1], None, None, True)
    assert (empty.ids.tolist(), empty.is_empty) == ([1], True)
    assert tokenizer.size > 255


def test_what_a_tokenizer_says_of_cutting_and_filling_up_is_not_done(tmp_path: Path, llama: Tokenizer) -> None:
    folder = copied(tmp_path / "model")
    document = json.loads((folder / "tokenizer.json").read_text())
    document["truncation"] = {"direction": "Left", "max_length": 3, "strategy": "LongestFirst", "stride": 1}
    document["padding"] = {
        "strategy": {"Fixed": 20},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer.json").write_text(json.dumps(document))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config | {"truncation_side": "left", "padding_side": "left", "model_max_length": 4})
    )
    tokenizer = load(folder)
    for text in ("one two three four five six", "one"):
        (found,), (expected,) = (each.encode_batch([text], 6) for each in (tokenizer, llama))
        assert found.ids.tolist() == expected.ids.tolist()
        assert (found.text, found.truncated) == (expected.text, expected.truncated)
