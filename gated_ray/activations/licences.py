"""The licence that a model's card names."""

from huggingface_hub import ModelCard
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from gated_ray.sources.checkpoint import Placed, open_origin

_CARD = "README.md"
_MOST_BYTES = 1_000_000


def license_of(checkpoint: Placed) -> str | None:
    """``license`` (or ``license_name`` where that is ``other``) in the head of the model's README.md; None without any."""
    origin = open_origin(checkpoint.location)
    card = origin.files().get(_CARD)
    if card is None or card.size > _MOST_BYTES:
        return None
    text = origin.read_file(card).decode("utf-8", "replace")
    if REGEX_YAML_BLOCK.search(text) is None:  # of which ModelCard would tell the user
        return None
    try:
        head = ModelCard(text).data.to_dict()  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - whatever a broken head makes a parser raise: it then names no licence
        return None
    said = head.get("license")
    said = head.get("license_name", said) if said == "other" else said
    return said if isinstance(said, str) else None
