"""How reports order and name the IO classes: in words, in one to three letters, and in either of the authors' vocabularies.

A later paper by the authors of arXiv 2505.17936 calls enrichment strengthening and depletion weakening. The data keeps the
first vocabulary (``io``); reports can use the second (``rw``).
"""

from collections.abc import Sequence

from gated_ray.errors import InputError

CLASS_ORDER = (
    "enrichment",
    "atypical_enrichment",
    "conditional_enrichment",
    "atypical_conditional_enrichment",
    "proportional_change",
    "atypical_proportional_change",
    "orthogonal_output",
    "depletion",
    "atypical_depletion",
    "conditional_depletion",
    "atypical_conditional_depletion",
)
"""All classes in the order of the published tables, which tables and figures follow."""

_VOCABULARIES = {
    "io": {},
    "rw": {"enrichment": "strengthening", "depletion": "weakening"},
}


def require_vocabulary(vocabulary: str) -> None:
    """Raises InputError where the vocabulary is neither ``io`` nor ``rw``."""
    if vocabulary not in _VOCABULARIES:
        raise InputError(f"vocabulary={vocabulary!r}: choose one of {', '.join(_VOCABULARIES)}")


def class_name(io_class: str, vocabulary: str = "io") -> str:
    """The identifier of a class in a vocabulary: in ``rw``, ``conditional_depletion`` is ``conditional_weakening``.

    Raises:
        InputError: the vocabulary is neither ``io`` nor ``rw``.
    """
    require_vocabulary(vocabulary)
    for ours, theirs in _VOCABULARIES[vocabulary].items():
        io_class = io_class.replace(ours, theirs)
    return io_class


def class_words(io_class: str, vocabulary: str = "io") -> str:
    """A class in words: ``conditional_depletion`` -> ``conditional depletion``."""
    return class_name(io_class, vocabulary).replace("_", " ")


def class_letters(io_class: str, vocabulary: str = "io") -> str:
    """A class as a column head: its noun's capital after ``c`` (conditional) and ``a`` (atypical), such as ``acD``."""
    words = class_name(io_class, vocabulary).split("_")
    prefixes = [word[0] for word in words if word in ("atypical", "conditional")]
    noun = next(word for word in words if word not in ("atypical", "conditional"))
    return "".join(prefixes) + noun[0].upper()


def letters_legend(io_classes: Sequence[str], vocabulary: str = "io") -> str:
    """What the letters of these classes mean, in one line."""
    prefixes = [word for word in ("conditional", "atypical") if any(word in io_class for io_class in io_classes)]
    bare = [io_class for io_class in io_classes if not io_class.startswith(("atypical_", "conditional_"))]
    parts = [f"{class_letters(name, vocabulary)}: {class_words(name, vocabulary)}" for name in bare]
    return "; ".join(parts + [f"prefix {word[0]}: {word}" for word in prefixes])
