"""One Chromium for all tests of the page, sites to open in it, and a web server for them."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.reports.atlas.opening import Browsing, Opened
from tests.reports.atlas.sites import Site, make_site

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="package")
def browsing() -> Iterator[Browsing]:
    """Ends with these tests: while it lives, nothing else in this process may run an event loop."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.fail("no Chromium to test the atlas with: run 'make browser', or name one in CHROMIUM", pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield Browsing(chromium)
        chromium.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Every kind of model, with and without activations (see `tests.reports.atlas.sites`)."""
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def visit(browsing: Browsing, site: Site) -> Iterator[Callable[..., Opened]]:
    """Open an address of the site from its folder: ``visit("#/...", width=390, dark=True)``. Errors of the page fail the test."""
    pages: list[Opened] = []

    def visit_site(address: str = "", **options: Any) -> Opened:
        url = options.pop("base", site.page.as_uri())
        pages.append(browsing.open(f"{url}{address}", **options))
        return pages[-1]

    yield visit_site
    for opened in pages:
        opened.page.close()
    assert [error for opened in pages for error in opened.errors] == []


@pytest.fixture(scope="package")
def served(site: Site) -> Iterator[str]:
    """The address of a web server of the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(site.page.parent))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()
