"""Which models a watch looks at: what the Hub is asked for, and what of its answer is left out here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from gated_ray.errors import InputError
from gated_ray.settings import WatchListSettings
from gated_ray.sources.hub_listing import Filters, ListedModel

_WILD = re.compile(r"[*?\[]")
_NO_FILTER = ("name", "every", "attempts")
"""Settings that do not say which models."""


@dataclass(frozen=True)
class Selection:
    """What of a listing is looked at.

    Attributes:
        kept: each name once.
        left_out: names by the setting that leaves them out: ``allow``, ``deny``, ``gated`` or ``max_bytes``.
    """

    kept: tuple[ListedModel, ...]
    left_out: Mapping[str, tuple[str, ...]]


def hub_filters(watch: WatchListSettings) -> Filters:
    """What to ask the Hub for.

    Raises:
        InputError: nothing narrows the listing, which would be of the whole Hub.
    """
    authors = tuple(watch.authors or _organisations(watch.allow))
    narrowed = (*authors, watch.task, watch.library, *watch.tags, watch.min_downloads, watch.newest)
    if not any(narrowed):
        raise InputError(
            "the watch would list the whole Hub: set watch.authors, task, library, tags, min_downloads or newest, "
            "or watch.allow with organisations, as in 'watch.allow=[google/gemma-*]'"
        )
    return Filters(
        authors=authors,
        task=watch.task,
        library=watch.library,
        tags=tuple(watch.tags),
        min_downloads=watch.min_downloads,
        newest=watch.newest,
    )


def recorded_filters(watch: WatchListSettings, endpoint: str) -> dict[str, Any]:
    """Everything that decides which models are looked at, as JSON has it: two passes are compared only where it is equal."""
    return {
        "hub": endpoint,
        **{name: value for name, value in asdict(watch).items() if name not in _NO_FILTER},
    }


def select(listed: Iterable[ListedModel], watch: WatchListSettings) -> Selection:
    """The models of a listing that the watch looks at; a model whose size is not known yet is one of them.

    Args:
        listed: where `newest` is set, newest first; no more is taken of it than needed.
        watch: what is asked for.
    """
    kept: dict[str, ListedModel] = {}
    left_out: dict[str, dict[str, None]] = {}
    for model in listed:
        if setting := _left_out_by(model, watch):
            left_out.setdefault(setting, {})[model.name] = None
        else:
            kept.setdefault(model.name, model)
            if len(kept) == watch.newest:
                break
    return Selection(tuple(kept.values()), {setting: tuple(names) for setting, names in left_out.items()})


def _left_out_by(model: ListedModel, watch: WatchListSettings) -> str | None:
    if any(fnmatchcase(model.name, pattern) for pattern in watch.deny):
        return "deny"
    if watch.allow and not any(fnmatchcase(model.name, pattern) for pattern in watch.allow):
        return "allow"
    if model.gated and not watch.gated:
        return "gated"
    if watch.max_bytes is not None and model.bytes is not None and model.bytes > watch.max_bytes:
        return "max_bytes"
    return None


def _organisations(patterns: Sequence[str]) -> list[str]:
    """The organisations that patterns name, where each names one."""
    found = {pattern.partition("/")[0] for pattern in patterns if "/" in pattern}
    if any("/" not in pattern for pattern in patterns) or any(_WILD.search(name) for name in found):
        return []
    return sorted(found)
