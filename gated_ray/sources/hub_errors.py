"""What huggingface_hub's errors mean for the user, as members of our error family."""

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # the base of the transport's errors, whichever HTTP client huggingface_hub uses
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, parse_ratelimit_headers

from gated_ray.errors import AccessError, GatedRayError, InputError, ReferenceNotFoundError, TransientError
from gated_ray.sources.remote.retry import OverloadedError

COMMIT = re.compile(r"[0-9a-f]{40}")

_NOT_FOUND = 404
HOW_TO_SIGN_IN = "set HF_TOKEN or run `hf auth login`"


@contextmanager
def translated_errors(endpoint: str, repo: str, revision: str | None = None, *, hint: str = "") -> Iterator[None]:
    """Say what huggingface_hub's errors mean for the user.

    Args:
        endpoint: of the Hub that is asked.
        revision: as the user gave it, or the commit, which messages then leave out.
        hint: what else to say where the Hub cannot be reached or does not know what is asked for.

    Raises:
        ReferenceNotFoundError: no such repository, revision or file.
        AccessError: a gated repository, or a token that was refused.
        InputError: any other refusal that would be repeated, of a token, a proxy or a certificate too.
        TransientError: anything that may pass.
    """
    name = f"{repo}@{revision}" if revision and not COMMIT.fullmatch(revision) else repo
    try:
        yield
    except GatedRepoError as error:
        how = (
            "ask for access on its page, and let the token read gated repositories" if _signed_in() else HOW_TO_SIGN_IN
        )
        raise AccessError(f"{name}: a gated repository that you have no access to; {how}") from error
    except RevisionNotFoundError as error:
        raise ReferenceNotFoundError(f"{name}: the repository has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        hint = "with this token" if _signed_in() else f"without a token; if it is private, {HOW_TO_SIGN_IN}"
        here = "" if name.startswith("hf://") else "no such folder here, and "
        raise ReferenceNotFoundError(f"{name}: {here}no such repository on the Hub can be seen {hint}") from error
    except EntryNotFoundError as error:
        raise ReferenceNotFoundError(f"{name}: the Hub has no such file") from error
    except DisabledRepoError as error:
        raise AccessError(f"{name}: the Hub has disabled this repository") from error
    except HFValidationError as error:
        raise ReferenceNotFoundError(f"{name}: not a valid repository name") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == _NOT_FOUND:
            raise InputError(f"{name}: the Hub answered {status}{hint}") from error
        raise _refused(name, status, _retry_after(error.response.headers)) from error
    except OfflineModeIsEnabled as error:
        raise InputError(f"{name}: HF_HUB_OFFLINE forbids to ask the Hub; unset it, or give a folder") from error
    except (HTTPError, OSError) as error:
        raise _unreachable(name, endpoint, error, hint) from error
    except ImportError as error:  # from the HTTP client, when it is made
        raise InputError(
            f"{name}: the environment names a SOCKS proxy; `pip install socksio`, or set an HTTP proxy"
        ) from error
    except UnicodeEncodeError:  # the error holds the text, so it must not be chained
        raise InputError(f"{name}: the token has characters that no token has; check HF_TOKEN") from None
    except ValueError as error:
        raise TransientError(f"{name}: {endpoint} does not answer as a Hub does; check HF_ENDPOINT") from error


def _signed_in() -> bool:
    """Whether a token is sent, which ``HF_HUB_DISABLE_IMPLICIT_TOKEN`` forbids."""
    return "authorization" in build_hf_headers()


def _unreachable(name: str, endpoint: str, error: Exception, hint: str) -> GatedRayError:
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return InputError(
            f"{name}: the certificate of {endpoint} is not trusted; set SSL_CERT_FILE to the certificates to trust"
        )
    if any(type(cause).__name__ == "ProxyError" for cause in causes):
        return InputError(
            f"{name}: the proxy on the way to {endpoint} refuses ({error}); check HTTP_PROXY and HTTPS_PROXY"
        )
    return TransientError(f"{name}: cannot reach the Hub at {endpoint} ({type(error).__name__}){hint}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(headers: Mapping[str, str]) -> str | None:
    """The Hub names no Retry-After where a rate limit is used up, but the seconds until its window of five minutes ends."""
    if (limit := parse_ratelimit_headers(headers)) is not None and limit.remaining == 0:
        return str(limit.reset_in_seconds + 1)
    return headers.get("Retry-After")


def _refused(name: str, status: int, retry_after: str | None) -> GatedRayError:
    if status in (401, 403):
        return AccessError(f"{name}: the Hub refused the token ({status}); {HOW_TO_SIGN_IN}")
    if status in (408, 429) or status >= 500:
        return OverloadedError(f"{name}: the Hub answered {status}; try again later", retry_after)
    return InputError(f"{name}: the Hub answered {status}")
