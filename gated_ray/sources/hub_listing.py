"""Which models the Hub has, and where one that it had is now."""

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise
from typing import Any
from urllib.parse import urlencode

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from gated_ray.errors import GatedRayError, InputError
from gated_ray.network import proxy_for, trust_one_bundle
from gated_ray.sources.hub import hub_endpoint
from gated_ray.sources.hub_errors import COMMIT, translated_errors
from gated_ray.sources.hub_pages import hub_pages
from gated_ray.sources.remote.deadline import within
from gated_ray.sources.remote.retry import retried
from gated_ray.sources.resolving import ANSWER_SECONDS

_FIELDS = ("createdAt", "downloads", "gated", "safetensors", "sha")
_NAME = re.compile(r"[!-~]+")
_PAGES_WITHOUT_NEWS = 20
_PAGE = (100, 1000)
"""Fewest models to ask for at once, and most that the Hub gives."""
_BITS = {
    "BF16": 16,
    "BOOL": 8,
    "C64": 64,
    "F16": 16,
    "F32": 32,
    "F64": 64,
    "F8_E4M3": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8,
    "I64": 64,
    "U64": 64,
}
"""Of a parameter, by dtype. Left out are those that quantized weights are packed into, several to an element: of them the Hub
counts weights, not elements (``getQuantizationMultiplier`` of huggingface.js), so that no bytes follow from the count."""


@dataclass(frozen=True)
class ListedModel:
    """A model as the Hub lists it.

    Attributes:
        name: ``org/name``.
        commit: 40 hex digits, the head of its main branch.
        bytes: of weights, by the Hub's count of safetensors parameters and their dtypes; None where it does not say, or
            where they may be packed. The scales of FP8 weights are not in it.
        downloads: in the last 30 days.
        gated: whether its files are for those who were given access.
        created: ISO 8601, as the Hub says it.
    """

    name: str
    commit: str
    bytes: int | None
    downloads: int
    gated: bool
    created: str


@dataclass(frozen=True)
class Filters:
    """Which models to list; a model must fit all that is set.

    Attributes:
        authors: users or organisations, of which any will do.
        task: ``pipeline_tag``, such as text-generation.
        library: such as transformers.
        tags: all of them.
        min_downloads: in the last 30 days.
        newest: how many the caller wants, the newest by creation. It only chooses the order: the caller may filter further,
            and stops when it has so many.
    """

    authors: tuple[str, ...] = ()
    task: str | None = None
    library: str | None = None
    tags: tuple[str, ...] = ()
    min_downloads: int = 0
    newest: int | None = None


@dataclass(frozen=True)
class Whereabouts:
    """Where a model is now.

    Attributes:
        name: its own, or another where it was renamed; None where it was deleted or made private.
        commit: the head of its main branch; None without a name.
    """

    name: str | None
    commit: str | None


def list_models(filters: Filters) -> Iterator[ListedModel]:
    """The models that fit, each once, from pages that are asked for when they are needed.

    With `newest` they come newest first, over all authors. Else, with `min_downloads`, those of an author come most
    downloaded first, and the listing ends where too few begin; one that overtakes others while it is listed can be missed
    until the next time. Else those of an author come newest first: dates of creation do not change, so that none is missed.

    Raises:
        InputError: the Hub must not be asked (``HF_HUB_OFFLINE``), refuses, or lists something else than was asked for.
        TransientError: a page does not come, however often it is asked for.
    """
    endpoint = _hub()
    authors = {author.casefold(): author for author in filters.authors}.values()
    listings = [_listing(endpoint, author, filters) for author in authors] or [_listing(endpoint, None, filters)]
    if filters.newest is None:
        return chain.from_iterable(listings)
    return heapq.merge(*listings, key=_created, reverse=True)


def whereabouts(name: str) -> Whereabouts:
    """Where the model of that name is now, by one request. Without a token the Hub does not tell a private one from none.

    Raises:
        InputError: the Hub must not be asked, or refuses.
        TransientError: no answer, however often it is asked.
        GatedRayError: it names no commit.
    """
    api = HfApi(endpoint=_hub())
    return retried(lambda: _whereabouts(api, name))


def _hub() -> str:
    """Its endpoint, where it may be asked."""
    if constants.HF_HUB_OFFLINE:
        raise InputError("HF_HUB_OFFLINE forbids to ask the Hub for its models; unset it, or name the models to read")
    endpoint = hub_endpoint()
    trust_one_bundle()
    proxy_for(endpoint)
    return endpoint


def _whereabouts(api: HfApi, name: str) -> Whereabouts:
    with translated_errors(api.endpoint, name):
        try:
            info = within(
                f"{name}: the Hub at {api.endpoint}",
                lambda: api.model_info(name, expand=["sha"], timeout=ANSWER_SECONDS),
            )
        except GatedRepoError:  # which is a RepositoryNotFoundError too
            raise
        except RepositoryNotFoundError:
            return Whereabouts(None, None)
    if not info.sha or not COMMIT.fullmatch(info.sha):
        raise GatedRayError(f"{name}: {api.endpoint} named no commit for it, but {info.sha!r}")
    return Whereabouts(info.id, info.sha)


def _listing(endpoint: str, author: str | None, filters: Filters) -> Iterator[ListedModel]:
    """The models of one author, or of all."""
    what = f"models of {author} on {endpoint}" if author else f"models on {endpoint}"
    by_downloads = filters.newest is None and filters.min_downloads > 0
    query = {
        "author": author or (),
        "expand": _FIELDS,
        "filter": tuple(filter(None, (filters.library, *filters.tags))),
        "limit": () if filters.newest is None else min(max(filters.newest, _PAGE[0]), _PAGE[1]),
        "pipeline_tag": filters.task or (),
        "sort": "downloads" if by_downloads else "createdAt",
    }
    seen: set[str] = set()
    pages_without_news = 0
    for page in hub_pages(endpoint, f"{endpoint}/api/models?{urlencode(query, doseq=True)}", what):
        models = [_listed(entry, author, what) for entry in page]
        pages_without_news = 0 if any(model.name not in seen for model in models) else pages_without_news + 1
        if pages_without_news == _PAGES_WITHOUT_NEWS:
            raise InputError(f"{what}: {pages_without_news} pages in a row name no further model; check HF_ENDPOINT")
        if filters.newest is not None and any(_created(one) < _created(other) for one, other in pairwise(models)):
            raise InputError(f"{what}: they are not listed newest first; check HF_ENDPOINT")
        for model in models:
            if model.name not in seen and model.downloads >= filters.min_downloads:
                yield model
            seen.add(model.name)
        falls = all(one.downloads >= other.downloads for one, other in pairwise(models))
        if by_downloads and falls and models and models[-1].downloads < filters.min_downloads:
            return  # a Hub that sorts otherwise is listed to its end


def _listed(entry: Any, author: str | None, what: str) -> ListedModel:
    """An entry of the listing, checked.

    Raises:
        InputError: it is not one, or of another author.
    """
    if not isinstance(entry, dict) or not isinstance(name := entry.get("id"), str) or not _NAME.fullmatch(name):
        raise InputError(f"{what}: one is listed without a name; check HF_ENDPOINT")
    if author and name.partition("/")[0].casefold() != author.casefold():
        raise InputError(f"{what}: {name} is listed among them; check HF_ENDPOINT")
    commit, created = entry.get("sha"), entry.get("createdAt")
    downloads, gated = entry.get("downloads") or 0, entry.get("gated") or False
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise InputError(f"{what}: {name} is listed without its commit; check HF_ENDPOINT")
    if not isinstance(created, str) or not _is_date(created):
        raise InputError(f"{what}: {name} is listed without the date of its creation; check HF_ENDPOINT")
    if type(downloads) is not int or gated not in (False, True, "auto", "manual"):
        raise InputError(f"{what}: {name} is listed with downloads={downloads!r}, gated={gated!r}; check HF_ENDPOINT")
    return ListedModel(name, commit, _bytes(entry.get("safetensors")), downloads, bool(gated), created)


def _created(model: ListedModel) -> datetime:
    return datetime.fromisoformat(model.created)


def _is_date(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _bytes(safetensors: Any) -> int | None:
    counts = safetensors.get("parameters") if isinstance(safetensors, dict) else None
    if not isinstance(counts, dict) or not counts:
        return None
    bits = 0
    for dtype, count in counts.items():
        if dtype not in _BITS or type(count) is not int or count < 0:
            return None
        bits += count * _BITS[dtype]
    return bits // 8
