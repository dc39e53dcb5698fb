"""What a sweep tells machines: with ``log=json``, one JSON object a line on stdout, and nothing else there.

Every line has ``time`` (UTC, ISO 8601, milliseconds) and ``event``, which says what else it has. A number that is not known
is null. Fields may be added; none is renamed or changes its unit. `jobs.activations` tells of tokens where the others tell of
bytes: `tokens`, `tokens_planned`, and so on, and `tokens_per_second` for `gigabytes_per_second`.

| event | when | fields |
|---|---|---|
| `planned` | a model is planned | `model`; `units`, `bytes`: what is left to do of it, 0 where nothing is |
| `published` | a model is in the dataset | `model` |
| `failed` | a model could not be planned, or a unit or a publication is given up | `message`, one line; `model`, null where the message alone names it; `units`, `bytes` that will not be done, 0 for a model or a publication |
| `notice` | something else that one should know | `message` |
| `progress` | every ten seconds, and as the sweep ends | the numbers below |
| `summary` | a sweep ended | `models`, `neurons` in the dataset of the models asked for; `failures`: references not done; `seconds` |
| `stopped` | a sweep was asked to stop and something is left | `models_left`, `models_unplanned`: references; `units_left`, `bytes_left` of the former |
| `tokenizing` | every ten seconds of `jobs.tokens` | `dataset`, `tokenizer`: its digest; `bytes_read`, `bytes_to_read` of the texts in this pass; `documents`, `tokens` so far |
| `tokenized` | a token dataset is whole, at the end of `jobs.tokens` | `models` that it is for; `store`, `dataset`, `tokenizer`, `folder`: where it is; `documents`, `tokens`, `truncated`, `empty`, `found`: documents of the texts; `shards` |
| `watched` | a pass of `jobs.watch` ended | what the summary in the store holds |

| number of `progress` | unit | what it counts |
|---|---|---|
| `models_asked`, `models_planned`, `models_unplannable` | models | planning goes on until the last two add up to the first |
| `models_unchanged` | models | planned ones of which the store already held all |
| `models_published`, `models_failed` | models | published by this sweep; those that something of was given up, unplannable ones included |
| `units_planned`, `units_done`, `units_failed` | units | of the models planned so far; a unit to be done again counts again |
| `bytes_planned`, `bytes_done`, `bytes_failed` | bytes | stored weights of these units |
| `gigabytes_per_second` | 10^9 bytes/s | of the last 30 seconds, as the metric of this name |
| `gigabytes_per_second_mean` | 10^9 bytes/s | since the sweep began |
| `seconds_elapsed` | s | since the sweep began |
| `seconds_left` | s | at the mean speed; while models are still to be planned, they are taken to be as large as the planned ones are on average |
"""  # noqa: E501 - tables

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

_events_only: list[TextIO] = []


def emit(event: str, **fields: object) -> None:
    """Write one event to stdout, at once.

    Args:
        event: what happened.
        fields: strings, numbers, booleans, None, and lists, tuples and mappings of these; in the order that the line has.

    Raises:
        TypeError: a field is something else, or named ``time``.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps(dict(time=now, event=event, **{name: _plain(value) for name, value in fields.items()}))
    out = _events_only[-1] if _events_only else sys.stdout
    out.write(f"{line}\n")  # one call a line, so that threads do not mix theirs
    out.flush()


@contextmanager
def events_alone_on_stdout() -> Iterator[None]:
    """While this lasts, what others print goes to stderr: Ray tells of a lost node on stdout, whatever its log settings are."""
    _events_only.append(sys.stdout)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = _events_only.pop()


def _plain(value: object) -> object:
    """As JSON can say it: no NaN or infinity, no half of a surrogate pair (file names that are not UTF-8 have them)."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_plain(str(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
