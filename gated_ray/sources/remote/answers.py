"""Whether an answer is the one that was asked for, judged by its head before any byte of its body is taken."""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gated_ray.errors import AccessError, CheckpointError, GatedRayError, TransientError
from gated_ray.sources.remote.retry import OverloadedError

_CONTENT_RANGE = re.compile(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20})", re.ASCII)
_OVERLOADED = (429, 503)


class LinkExpiredError(TransientError):
    """The server refused a signed URL; resolving the file again gives a fresh one."""


class ChangedError(TransientError):
    """Another file than the one that was resolved lies behind the URL, or seems to: a cache may hold an older one."""


@dataclass(frozen=True)
class RemoteFile:
    """A resolved file.

    Attributes:
        url: where its bytes are; may be signed, so it must reach no log and no message.
        headers: request headers for that host. Redirects are followed only where there are none.
        size: bytes of the whole file.
        what: the file as messages name it.
        advice: what to do where access is refused.
        ca_bundle: path of the certificates to trust.
        proxy: URL of the proxy to that host, empty for none. It may hold a password.
        signed: whether the URL is its own permission, which expires.
        etags: by host, the ETag that every answer must have; the first answer fills it in where it is not known.
    """

    url: str
    headers: Mapping[str, str]
    size: int
    what: str
    advice: str
    ca_bundle: str
    proxy: str = ""
    signed: bool = False
    etags: MutableMapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def __repr__(self) -> str:
        return f"RemoteFile({self.what!r}, host={self.host!r})"


@dataclass(frozen=True)
class Request:
    """What is asked of a file: bytes `begin` to `end`, or the whole file, without a range, where `whole`."""

    file: RemoteFile
    begin: int
    end: int
    whole: bool = False

    @property
    def where(self) -> str:
        """The file and the offset, as messages name them."""
        return f"{self.file.what} at byte {self.begin}"


def judge(request: Request, status: int, headers: Mapping[str, str]) -> GatedRayError | None:
    """The error that an answer's head amounts to, None for the answer that was asked for.

    Args:
        status: of the answer.
        headers: by lower-case name.

    Returns:
        AccessError: the Hub itself refused.
        LinkExpiredError: a signed URL was refused.
        CheckpointError: the file is gone.
        OverloadedError: 429 or 503.
        ChangedError: another file, by its size or ETag.
        TransientError: any other answer than the right one.
    """
    if status in (401, 403):
        if request.file.signed:
            return LinkExpiredError(f"{request.where}: the server refused the signed link ({status})")
        return AccessError(
            f"{request.where}: the server refused access ({status}); set HF_TOKEN or run `hf auth login`"
        )
    if status in (404, 410):
        return CheckpointError(f"{request.where}: the file is no longer there ({status})")
    if status == 416:
        return ChangedError(f"{request.where}: the file is shorter than when it was resolved ({status})")
    if status in _OVERLOADED:
        return OverloadedError(f"{request.where}: the server is overloaded ({status})", headers.get("retry-after"))
    if status != (200 if request.whole else 206):
        asked = "the whole file" if request.whole else "a byte range"
        return TransientError(f"{request.where}: asked for {asked}, the server answered {status}")
    return _wrong_content(request, headers)


def _wrong_content(request: Request, headers: Mapping[str, str]) -> GatedRayError | None:
    where, file = request.where, request.file
    if (encoding := headers.get("content-encoding", "identity")) != "identity":
        return TransientError(
            f"{where}: the server sent the bytes encoded ({encoding[:20]!r}), which was not asked for"
        )
    if not request.whole:
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if not found or (int(found[1]), int(found[2])) != (request.begin, request.end - 1):
            said = "without saying which" if "content-range" not in headers else "other than asked for"
            return TransientError(
                f"{where}: the server sent a byte range {said} (bytes {request.begin}-{request.end - 1})"
            )
        if int(found[3]) != file.size:
            return ChangedError(f"{where}: the file has {found[3]} bytes, {file.size} when it was resolved")
    length = headers.get("content-length")
    if length is not None and length != str(request.end - request.begin):
        return TransientError(f"{where}: {length[:20]} bytes come where {request.end - request.begin} were asked for")
    etag = headers.get("etag", "").removeprefix("W/").strip('"')
    if file.etags.setdefault(file.host, etag) != etag:
        return ChangedError(f"{where}: another file lies there than before (its ETag changed)")
    return None
