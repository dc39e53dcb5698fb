"""A model's tokenizer: its files wherever they lie, loaded by transformers, and texts as it encodes them."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import constants

from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.checkpoint import Placed, open_origin

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONFIG = "config.json"
_FILES = frozenset(
    (
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tekken.json"),
        *(
            "tokenizer.model",
            "spiece.model",
            "sentencepiece.model",
            "sentencepiece.bpe.model",
            "spm.model",
            "spm_char.model",
        ),
        *(
            "vocab.json",
            "merges.txt",
            "vocab.txt",
            "dict.txt",
            "bpe.codes",
            "source.spm",
            "target.spm",
            "target_vocab.json",
        ),
        *("byte_maps.json", "emoji.json", "normalizer.json", "prophetnet.tokenizer"),
        *("word_pronunciation.json", "word_shape.json"),
    )
)
"""What the tokenizers of transformers are made from; chat templates make no difference to plain text."""
_NOT_VOCABULARY = frozenset({"added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"})
_MOST_BYTES = 256_000_000
"""Of one file; the largest vocabularies have a tenth."""

CHARACTERS_PER_TOKEN = 64
"""Of a document, no more than so many characters for every token of ``max_length`` are looked at."""


@dataclass(frozen=True)
class Encoded:
    """A document as tokens.

    Attributes:
        ids: special ones included; at most ``max_length``.
        starts: first character in `text` of each token, that of the next one for a special token; None where the tokenizer
            does not say.
        text: the document up to the end of its last token; None where that is not known.
        truncated: whether some of the document is left out.
        is_empty: whether no token stands for text.
    """

    ids: list[int]
    starts: list[int] | None
    text: str | None
    truncated: bool
    is_empty: bool


@dataclass(frozen=True)
class Tokenizer:
    """A loaded tokenizer.

    Attributes:
        digest: first 12 hex digits of SHA-256 over its class, and the names and contents of its files: equal ones make equal
            tokens.
        size: number of ids, which is one more than the largest.
    """

    digest: str
    size: int
    _loaded: "PreTrainedTokenizerBase" = field(repr=False)

    def encode_batch(self, texts: Sequence[str], max_length: int) -> list[Encoded]:
        """The documents as the tokenizer encodes them by default, with the special tokens that it adds, cut at the right.

        What lies beyond `CHARACTERS_PER_TOKEN` characters a token is not looked at.
        """
        if not texts:
            return []
        most = CHARACTERS_PER_TOKEN * max_length
        heads = [text[:most] for text in texts]
        encode = self._encode_fast if self._loaded.is_fast else self._encode_slow
        return [
            Encoded(each.ids, each.starts, each.text, each.truncated or len(text) > most, each.is_empty)
            for each, text in zip(encode(heads, max_length), texts, strict=True)
        ]

    def _encode_fast(self, texts: Sequence[str], max_length: int) -> list[Encoded]:
        encodings = self._loaded(list(texts), truncation=True, max_length=max_length, padding=False).encodings or ()
        return [_encoded(each, text) for each, text in zip(encodings, texts, strict=True)]

    def _encode_slow(self, texts: Sequence[str], max_length: int) -> list[Encoded]:
        return [self._encode_one(text, max_length) for text in texts]

    def _encode_one(self, text: str, max_length: int) -> Encoded:
        whole = self._loaded(text, return_special_tokens_mask=True)
        truncated = len(whole["input_ids"]) > max_length
        ids = (
            self._loaded(text, truncation=True, max_length=max_length)["input_ids"] if truncated else whole["input_ids"]
        )
        is_empty = all(whole["special_tokens_mask"])
        return Encoded(list(ids), None, None if truncated else text, truncated, is_empty)


def _encoded(encoding: Any, text: str) -> Encoded:
    """Of an encoding of the tokenizers library."""
    special = encoding.special_tokens_mask
    spans = encoding.offsets
    end = max((stop for (_, stop), is_special in zip(spans, special, strict=True) if not is_special), default=0)
    starts = [0] * len(spans)
    following = end
    for index in reversed(range(len(spans))):
        if not special[index]:
            following = min(spans[index][0], following)
        starts[index] = following
    return Encoded(encoding.ids, starts, text[:end], bool(encoding.overflowing), all(special))


def load_tokenizer(checkpoint: Placed) -> Tokenizer:
    """The tokenizer of a model; its weights are not read. Code from the model's repository is never run.

    Raises:
        CheckpointError: there is none, or it cannot be read.
        UnsupportedError: it needs such code, or a package that is not installed.
        GatedRayError: its files cannot be had.
    """
    ref = checkpoint.reference.text
    contents = _read_files(checkpoint)
    digested = {name: content for name, content in contents.items() if name != _CONFIG}
    if not digested:
        raise CheckpointError(f"{ref}: holds no tokenizer (no tokenizer.json, tokenizer.model or vocab.json)")
    with tempfile.TemporaryDirectory(prefix="gated-ray-tokenizer-") as folder:
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        loaded = _load(folder, digested, ref)
    loaded.truncation_side = "right"
    size = 1 + max(loaded.get_vocab().values(), default=-1)
    return Tokenizer(_digest(type(loaded).__name__, digested), size, loaded)


def _read_files(checkpoint: Placed) -> dict[str, bytes]:
    # The local cache may hold some of a repository's files only, and the digest must not depend on which.
    origin = open_origin(checkpoint.location, cached=constants.HF_HUB_OFFLINE)
    files = {name: file for name, file in origin.files().items() if name in _FILES or name == _CONFIG}
    for name, file in files.items():
        if file.size > _MOST_BYTES:
            raise CheckpointError(
                f"{checkpoint.reference.text}: {name} has {file.size:,} bytes; not a tokenizer's file"
            )
    return {name: origin.read_file(file) for name, file in sorted(files.items())}


def _digest(kind: str, contents: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256(f"{kind}\n".encode())
    for name, content in sorted(contents.items()):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()[:12]


def _load(folder: str, contents: Mapping[str, bytes], ref: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer  # takes seconds to import, which other commands need not pay

    for name in ("transformers.tokenization_utils_base", "transformers.tokenization_utils_tokenizers"):
        logging.getLogger(name).setLevel(logging.ERROR)  # warnings on texts longer than the model takes, which are cut
    try:
        # False, and not unset: then transformers would ask on the terminal.
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except ImportError as error:
        raise UnsupportedError(
            f"{ref}: its tokenizer needs a package that is not installed: {_said(error, folder)}"
        ) from error
    except Exception as error:  # whatever a broken file makes the libraries raise
        if _has_own_code(contents):
            raise UnsupportedError(
                f"{ref}: its tokenizer needs code from its repository, which is never run; "
                "tokenize with it elsewhere and give the ids: data.token_ids=FILE"
            ) from error
        raise CheckpointError(f"{ref}: its tokenizer cannot be loaded: {_said(error, folder)}") from error
    needed = set(getattr(loaded, "vocab_files_names", {}).values())
    if needed and not contents.keys() - _NOT_VOCABULARY:
        raise CheckpointError(f"{ref}: holds no vocabulary of its tokenizer ({' or '.join(sorted(needed))})")
    return loaded


def _has_own_code(contents: Mapping[str, bytes]) -> bool:
    with suppress(ValueError, AttributeError):
        return "AutoTokenizer" in (json.loads(contents.get("tokenizer_config.json", b"{}")).get("auto_map") or {})
    return False


def _said(error: Exception, folder: str) -> str:
    """The first line of a library's message, without the folder that only we know of."""
    lines = [line.strip() for line in str(error).replace(folder, "the model").splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
