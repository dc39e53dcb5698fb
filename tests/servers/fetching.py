"""A plain client for the tests of servers."""

import io

import pycurl


def fetch(
    url: str, range_header: str | None = None, token: str | None = None, **options: object
) -> tuple[int, dict[str, str], bytes]:
    """GET by libcurl: status, headers (names in lower case) and body.

    Args:
        options: further options of the handle, by pycurl's names.

    Raises:
        pycurl.error: no whole answer came within 20 seconds.
    """
    body, headers = io.BytesIO(), {}

    def keep(line: bytes) -> None:
        name, colon, value = line.decode().partition(":")
        if colon:
            headers[name.lower()] = value.strip()

    curl = pycurl.Curl()
    lines = [f"Range: {range_header}"] if range_header else []
    for option, value in {
        "URL": url,
        "WRITEDATA": body,
        "HEADERFUNCTION": keep,
        "TIMEOUT": 20,
        "HTTPHEADER": [*lines, f"Authorization: Bearer {token}"] if token else lines,
        **options,
    }.items():
        curl.setopt(getattr(pycurl, option), value)
    try:
        curl.perform()
        return curl.getinfo(pycurl.RESPONSE_CODE), headers, body.getvalue()
    finally:
        curl.close()


def failure(url: str, range_header: str | None = None, **options: object) -> int:
    """The libcurl error that such a request ends with."""
    try:
        status, _, body = fetch(url, range_header, **options)
    except pycurl.error as error:
        return int(error.args[0])
    raise AssertionError(f"answered {status} with {len(body)} bytes")
