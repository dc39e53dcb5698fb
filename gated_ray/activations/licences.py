"""The licence that a model's card names."""

from huggingface_hub import ModelCard

from gated_ray.sources.checkpoint import Placed, open_origin

_CARD = "README.md"
_MOST_BYTES = 1_000_000


def license_of(checkpoint: Placed) -> str | None:
    """``license`` (or ``license_name`` where that is ``other``) in the head of the model's README.md; None without any."""
    origin = open_origin(checkpoint.location)
    card = origin.files().get(_CARD)
    if card is None or card.size > _MOST_BYTES:
        return None
    try:
        head = ModelCard(origin.read_file(card).decode("utf-8", "replace")).data.to_dict()  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - whatever a broken head makes a parser raise: it then names no licence
        return None
    said = head.get("license")
    said = head.get("license_name", said) if said == "other" else said
    return said if isinstance(said, str) else None
