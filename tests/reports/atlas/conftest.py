"""One Chromium for all tests of the page, sites to open in it, and a web server for them."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.reports.atlas.opening import Browsing, NoBrowserError, Opened, started_browser
from tests.reports.atlas.sites import Site, make_site


@pytest.fixture(scope="package")
def browsing() -> Iterator[Browsing]:
    """Ends with these tests: while it lives, nothing else in this process may run an event loop."""
    try:
        with started_browser() as browser:
            yield Browsing(browser)
    except NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)


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
