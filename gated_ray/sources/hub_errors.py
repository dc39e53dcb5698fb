"""What huggingface_hub's errors mean for the user, as members of our error family."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import get_token
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

from gated_ray.errors import AccessError, GatedRayError, InputError, ReferenceNotFoundError, TransientError
from gated_ray.sources.retry import OverloadedError

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
        InputError: any other refusal that would be repeated.
        TransientError: anything that may pass.
    """
    name = f"{repo}@{revision}" if revision and not COMMIT.fullmatch(revision) else repo
    try:
        yield
    except GatedRepoError as error:
        how = "ask for access on its page, and let the token read gated repositories" if get_token() else HOW_TO_SIGN_IN
        raise AccessError(f"{name}: a gated repository that you have no access to; {how}") from error
    except RevisionNotFoundError as error:
        raise ReferenceNotFoundError(f"{name}: the repository has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        hint = "with this token" if get_token() else f"without a token; if it is private, {HOW_TO_SIGN_IN}"
        raise ReferenceNotFoundError(
            f"{name}: no such folder here, and no such repository on the Hub can be seen {hint}"
        ) from error
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
        raise _refused(name, status, error.response.headers.get("Retry-After")) from error
    except OfflineModeIsEnabled as error:
        raise InputError(f"{name}: HF_HUB_OFFLINE forbids to ask the Hub; unset it, or give a folder") from error
    except (HTTPError, OSError) as error:
        raise TransientError(f"{name}: cannot reach the Hub at {endpoint} ({type(error).__name__}){hint}") from error
    except ValueError as error:
        raise TransientError(f"{name}: {endpoint} does not answer as a Hub does; check HF_ENDPOINT") from error


def _refused(name: str, status: int, retry_after: str | None) -> GatedRayError:
    if status in (401, 403):
        return AccessError(f"{name}: the Hub refused the token ({status}); {HOW_TO_SIGN_IN}")
    if status in (408, 429) or status >= 500:
        return OverloadedError(f"{name}: the Hub answered {status}; try again later", retry_after)
    return InputError(f"{name}: the Hub answered {status}")
