"""One part, asked for until it is there."""

from collections.abc import Callable

import pycurl

from gated_ray.errors import AccessError, CheckpointError, GatedRayError, TransientError
from gated_ray.sources.remote.answers import ChangedError, LinkExpiredError, RemoteFile, Request
from gated_ray.sources.remote.gate import GATE
from gated_ray.sources.remote.http import StalledError, StoppedError, perform
from gated_ray.sources.remote.links import Link
from gated_ray.sources.remote.parts import Part
from gated_ray.sources.remote.retry import ATTEMPTS, OverloadedError, pause

_PROGRESS = 1 << 20
"""Bytes after which a connection that broke counts as a good one: long transfers must not die of many small faults. One that
stalled does not: a server that drips would hold us for hours."""


def fetch(curl: pycurl.Curl, part: Part, link: Link, notice: Callable[[TransientError], None]) -> None:
    """Fill a part, going on from its last good byte after each fault that may pass.

    Args:
        curl: as for `perform`.
        notice: is told of each fault that is tried again.

    Raises:
        StoppedError: the part was settled meanwhile.
        AccessError: refused, by the Hub or with a link made anew.
        CheckpointError: the file is gone or has changed.
        InputError: the server's certificate is not trusted.
        TransientError: too many faults in a row without progress.
    """
    failures = 0
    renewed = False
    while part.left:
        if not part.wanted:
            raise StoppedError
        before = part.done
        file = link.get()
        GATE.wait()
        begin, end = part.begin + part.done, part.begin + part.size
        try:
            perform(curl, Request(file, begin, end, whole=part.whole and begin == 0), part)
        except TransientError as error:
            # Its traceback, and that of libcurl's own error, hold this frame and so the part's memory until a collection.
            fault = error.with_traceback(None)
            fault.__context__ = None
        else:
            return
        progress = part.done - before
        if not progress and not isinstance(fault, OverloadedError):
            link.forget(file)  # it may have expired, or lead to a host that is gone
        if isinstance(fault, LinkExpiredError) and not renewed:
            renewed = True
            continue
        renewed = False
        failures = 1 if progress >= _PROGRESS and not isinstance(fault, StalledError) else failures + 1
        if failures >= ATTEMPTS:
            raise _final(fault, failures, file)
        notice(fault)
        pause(failures, fault)


def _final(fault: TransientError, failures: int, file: RemoteFile) -> GatedRayError:
    """What is left to say after the last attempt; only what may pass is left to a later try."""
    message = f"{fault}, {failures} times"
    if isinstance(fault, LinkExpiredError):
        return AccessError(f"{message}; {file.advice}")
    if isinstance(fault, ChangedError):
        return CheckpointError(f"{message}; run again when it is complete")
    return TransientError(message)
