"""The test Hub's ``GET /api/models``: filters, sorting, fields and pages, as the real one has them.

A cursor is a query for what comes after the page's last model, by value and id: models that change places between two pages
are listed twice or not at all, as on the real Hub. Parameters that nobody here asks for are refused.
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from tests.servers.hub_log import Request
from tests.servers.hub_repos import DATASETS, Repo, Revision

MOST = 1000
"""Models on a page."""

_PARAMETERS = {
    "author",
    "cursor",
    "direction",
    "expand",
    "filter",
    "full",
    "gated",
    "limit",
    "pipeline_tag",
    "search",
    "sort",
}
_SORTS: dict[str, Callable[[Repo], Any]] = {
    "createdAt": lambda repo: repo.created,
    "downloads": lambda repo: repo.downloads,
    "id": lambda repo: repo.name,
    "lastModified": lambda repo: repo.modified,
    "trendingScore": lambda repo: 0,
}
_TRUE = ("true", "True", "1")

Field = Callable[[Repo, Revision | None], Any]
FIELDS: dict[str, Field] = {
    "author": lambda repo, _: repo.name.partition("/")[0],
    "createdAt": lambda repo, _: repo.created,
    "disabled": lambda repo, _: False,
    "downloads": lambda repo, _: repo.downloads,
    "gated": lambda repo, _: repo.gated,
    "lastModified": lambda repo, _: repo.modified,
    "library_name": lambda repo, _: repo.library,
    "likes": lambda repo, _: 0,
    "modelId": lambda repo, _: repo.name,
    "pipeline_tag": lambda repo, _: repo.pipeline_tag,
    "private": lambda repo, _: repo.private,
    "safetensors": lambda _, revision: revision and revision.safetensors,
    "sha": lambda _, revision: revision and revision.commit,
    "siblings": lambda _, revision: revision and [{"rfilename": name} for name in revision.files],
    "tags": lambda repo, _: list(repo.labels),
    "trendingScore": lambda repo, _: 0,
    "usedStorage": lambda _, revision: revision and sum(file.size for file in revision.files.values()),
}
"""What can be said of a model at a revision."""

_NOT_LISTED = {"modelId", "usedStorage"}
_BRIEF = (
    "modelId",
    "createdAt",
    "downloads",
    "library_name",
    "likes",
    "pipeline_tag",
    "private",
    "tags",
    "trendingScore",
)
_FULL = (*_BRIEF, "author", "disabled", "gated", "lastModified", "sha", "siblings")


class QueryError(ValueError):
    """A parameter that the Hub answers 400 to; the text is the answer's."""


def on_listing(request: Request) -> bool:
    """Requests for a page of the listing, for faults."""
    return request.role == "hub" and request.path == "/api/models"


def described(repo: Repo, revision: Revision | None, fields: Iterable[str]) -> dict[str, Any]:
    """Those fields of a model that have a value, after ``_id`` and ``id``, which are always there."""
    values = {field: FIELDS[field](repo, revision) for field in fields}
    return {"_id": repo.id, "id": repo.name.removeprefix(DATASETS)} | {
        field: value for field, value in values.items() if value is not None
    }


def list_models(repos: Iterable[Repo], request: Request, page_size: int) -> tuple[list[dict[str, Any]], str | None]:
    """One page, and the target of the next one.

    Args:
        repos: those that the caller may know of.
        page_size: most models on it.

    Raises:
        QueryError: a parameter is not understood.
    """
    query = request.query
    if unknown := query.keys() - _PARAMETERS:
        raise QueryError(f"Invalid parameter: {min(unknown)}")
    sort = query.get("sort", ["trendingScore"])[0]
    if sort not in _SORTS or query.get("direction", ["-1"]) != ["-1"]:
        raise QueryError("Invalid sort parameter")
    expand = query.get("expand", [])
    if not set(expand) <= FIELDS.keys() - _NOT_LISTED:
        raise QueryError("Invalid expand parameter")
    fields = expand or (_FULL if _given(query, "full") in _TRUE else _BRIEF)
    limit = _given(query, "limit") or str(MOST)
    if not limit.isdecimal() or not int(limit):
        raise QueryError("Invalid limit parameter")
    value = _SORTS[sort]
    # Two stable sorts: by value from the highest, and where it is the same by id from the lowest.
    found = sorted((repo for repo in repos if _fits(repo, query)), key=lambda repo: repo.id)
    found.sort(key=value, reverse=True)
    after = _given(query, "cursor")
    if after:
        last_value, last_id = _decoded(after, sort)
        found = [
            repo for repo in found if value(repo) < last_value or (value(repo) == last_value and repo.id > last_id)
        ]
    page = found[: min(int(limit), MOST, page_size)]
    entries = [described(repo, repo.find("main"), fields) for repo in page]
    if len(page) == len(found):
        return entries, None
    following = {**query, "cursor": [_encoded(sort, value(page[-1]), page[-1].id)]}
    return entries, f"{request.path}?{urlencode(following, doseq=True)}"


def _given(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]


def _fits(repo: Repo, query: dict[str, list[str]]) -> bool:
    gated = _given(query, "gated")
    return (
        _given(query, "author") in ("", repo.name.partition("/")[0])
        and _given(query, "search").lower() in repo.name.lower()
        and _given(query, "pipeline_tag") in ("", repo.pipeline_tag)
        and all(label in repo.labels for label in query.get("filter", []))
        and (not gated or (gated in _TRUE) == bool(repo.gated))
    )


def _encoded(sort: str, value: object, last_id: str) -> str:
    """In the form of the real one, a condition for the database behind it."""
    condition = {"$or": [{sort: value, "_id": {"$gt": last_id}}, {sort: {"$lt": value}}, {sort: None}]}
    return base64.b64encode(json.dumps(condition, separators=(",", ":")).encode()).decode()


def _decoded(cursor: str, sort: str) -> tuple[Any, str]:
    try:
        last = json.loads(base64.b64decode(cursor))["$or"][0]
        return last[sort], last["_id"]["$gt"]
    except (ValueError, KeyError) as error:
        raise QueryError("Invalid cursor parameter") from error
