"""What is compared with what: ``MODEL[@REVISION][:PROFILE]`` of a store, or ``published[:MODEL]``."""

import re
from dataclasses import dataclass

import pyarrow as pa

from gated_ray.errors import InputError
from gated_ray.reports.layer_rows import short_revision

PUBLISHED = "published"

SIDE_COLUMNS = ["model_name", "model_revision", "profile_name", "requested_revision", "weights"]
"""The columns of the models table that sides are found in."""

_REST = re.compile(r"(?:@(?P<revision>.+?))?(?::(?P<profile>[A-Za-z0-9][\w.-]*))?", re.DOTALL)
_LEAST_PREFIX = 7
_MOST_LISTED = 12


@dataclass(frozen=True)
class Side:
    """One published model of the store, at one revision under one profile."""

    model: str
    revision: str
    profile: str
    requested: str | None
    """The revision as it was asked for (a branch, a step)."""
    weights: str | None
    """How its weights were prepared: ``paper`` or ``residual``."""

    def __str__(self) -> str:
        """Short enough for a heading: ``org/name @ step200 (0123456), paper``."""
        short = short_revision(self.revision)
        named = self.requested if self.requested and self.requested != self.revision else None
        return f"{self.model} @ {f'{named} ({short})' if named else short}, {self.profile}"

    @property
    def key(self) -> tuple[str, str, str]:
        """As `Store` takes it."""
        return self.model, self.revision, self.profile

    @property
    def reference(self) -> str:
        """As a user can name it."""
        return f"{self.model}@{self.requested or self.revision}:{self.profile}"

    def is_at(self, revision: str) -> bool:
        """Whether this names its revision: whole, as it was asked for, or by at least seven first digits."""
        digits = revision.removeprefix("local-")
        begins = len(digits) >= _LEAST_PREFIX and self.revision.removeprefix("local-").startswith(digits)
        return revision in (self.revision, self.requested) or begins


def all_sides(models: pa.Table) -> list[Side]:
    """Every published model, revision and profile, sorted.

    Args:
        models: `SIDE_COLUMNS` of schema `MODELS`.
    """
    rows = models.select(SIDE_COLUMNS).to_pylist()
    return sorted((Side(*(row[name] for name in SIDE_COLUMNS)) for row in rows), key=lambda side: side.key)


def sides_named(sides: list[Side], text: str, profile: str) -> list[Side]:
    """Those that ``MODEL[@REVISION][:PROFILE]`` names; without a revision, all of the model's.

    Args:
        sides: of the store.
        text: what the user wrote.
        profile: where the text names none.

    Raises:
        InputError: there is none; the message lists what there is.
    """
    of_model = [(side, _rest(side, text)) for side in sides]
    known = [(side, rest) for side, rest in of_model if rest]
    found = [
        side
        for side, rest in known
        if side.profile == (rest["profile"] or profile) and (not rest["revision"] or side.is_at(rest["revision"]))
    ]
    if not found:
        there = listed([side for side, _ in known] or sides)
        named = "" if any(rest["profile"] for _, rest in known) else f" under profile {profile}"
        raise InputError(f"{text}: not in the store{named}; there: {there}")
    return found


def one_side(sides: list[Side], setting: str, text: str, profile: str) -> Side:
    """The one that is named.

    Raises:
        InputError: there is none, or several.
    """
    found = sides_named(sides, text, profile)
    if len(found) > 1:
        raise InputError(f"{setting}={text} is several: {listed(found)}; name one")
    return found[0]


def other_side(sides: list[Side], text: str, side: Side) -> Side:
    """What `side` is compared with; what the text does not name (the model, its revision, the profile) is as there.

    ``@REVISION`` is another revision of the same model, ``:PROFILE`` the same revision under another profile.
    """
    if text.startswith(":"):
        text = f"{side.model}@{side.revision}{text}"
    elif text.startswith("@"):
        text = f"{side.model}{text}"
    return one_side(sides, "against", text, side.profile)


def published_model(text: str) -> str | None:
    """The model of ``published:MODEL``; nothing for ``published``, which is of the model's own name; None for any other text."""
    if text == PUBLISHED:
        return ""
    return text.removeprefix(f"{PUBLISHED}:") if text.startswith(f"{PUBLISHED}:") else None


def _rest(side: Side, text: str) -> re.Match[str] | None:
    """What the text names besides the side's model; None where it names another model."""
    return _REST.fullmatch(text.removeprefix(side.model)) if text.startswith(side.model) else None


def listed(sides: list[Side]) -> str:
    """Their references, as far as a line holds them."""
    more = f" and {len(sides) - _MOST_LISTED} more" if len(sides) > _MOST_LISTED else ""
    return f"{', '.join(side.reference for side in sides[:_MOST_LISTED])}{more}"
