"""Small tokenizers of every kind, trained on this repository's own pages."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

ROOT = Path(__file__).parent.parent.parent
LLAMA = ROOT / "tests" / "data" / "tiny-docs-llama" / "main"
_SIZE = 600


@cache
def _pages() -> tuple[str, ...]:
    return tuple((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))


def _word_piece() -> PreTrainedTokenizerFast:
    """As BERT's: lower case, accents stripped, what it does not know is [UNK]; but nothing is added to a text."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(_pages(), trainers.WordPieceTrainer(vocab_size=_SIZE, special_tokens=["[UNK]"]))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]")


def _enclosed() -> PreTrainedTokenizerFast:
    """WordPiece between [CLS] and [SEP]."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]"]
    made.train_from_iterator(_pages(), trainers.WordPieceTrainer(vocab_size=_SIZE, special_tokens=special))
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


def _unigram() -> PreTrainedTokenizerFast:
    """As SentencePiece's: a blank before the text, <s> at its beginning."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\t", " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = decoders.Metaspace()
    special = ["<unk>", "<s>"]
    made.train_from_iterator(
        _pages(), trainers.UnigramTrainer(vocab_size=_SIZE, special_tokens=special, unk_token="<unk>")
    )
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>")


def _whole_text() -> PreTrainedTokenizerFast:
    """As Llama 2's: merges over the whole text, which is one word; what it does not know becomes bytes."""
    made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    lines = (line.replace(" ", "▁") for page in _pages() for line in page.splitlines())
    made.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=_SIZE, special_tokens=special, max_token_length=12))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>")


def _byte_level() -> PreTrainedTokenizerFast:
    """As GPT-2's, with a token at the end; bytes of one character can be tokens of their own."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        _pages(),
        trainers.BpeTrainer(
            vocab_size=_SIZE, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    made.post_processor = processors.TemplateProcessing(single="$A <|end|>", special_tokens=[("<|end|>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>")


_MAKERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "word_piece": _word_piece,
    "enclosed": _enclosed,
    "unigram": _unigram,
    "whole_text": _whole_text,
    "byte_level": _byte_level,
}

NAMES = ("llama", *_MAKERS)


def tokenizer_folder(name: str, folder: Path) -> Path:
    """A model's folder without weights: the tokenizer of that name, and a config that says nothing of it.

    Args:
        name: one of `NAMES`.
        folder: to write it to; that of ``llama`` is shipped, and lies elsewhere.
    """
    if name == "llama":
        return LLAMA
    _MAKERS[name]().save_pretrained(folder / name)
    (folder / name / "config.json").write_text('{"model_type": "llama"}')
    return folder / name
