"""Pages of the atlas in a browser, with all that they loaded and complained about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SETTLED = (
    "document.querySelector('.page')?.dataset.shown !== undefined || document.querySelector('.page.overview .models')"
)
"""Whether the page shows what its address names."""


class NoBrowserError(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def started_browser() -> Iterator[Browser]:
    """A Chromium without a window, with a profile of its own."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        raise NoBrowserError("no Chromium to test the atlas with: run 'make browser', or name one in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


class Opened:
    """A page, its errors and the addresses that it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def wait_for(self, shown: str) -> None:
        """Until the page shows a place, such as ``3 mlp -`` for a layer or ``3 mlp - 17`` for a neuron."""
        self.page.wait_for_selector(f'.page[data-shown="{shown}"]')

    def go(self, address: str, shown: str) -> None:
        """Follow a link within the site."""
        self.page.evaluate("(address) => { location.hash = address }", address)
        self.wait_for(shown)

    @property
    def bytes(self) -> int:
        """Of all files that a page opened from a folder asked for."""
        return sum(Path(unquote(urlparse(url).path)).stat().st_size for url in self.requests)

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_inner_texts()


class Browsing:
    """Opens pages in one browser: contexts take long to make, so that those of one look are shared."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: dict[tuple[int, bool], BrowserContext] = {}

    def open(self, url: str, width: int = 1440, dark: bool = False, settled: bool = True) -> Opened:
        """A page, once it shows what its address names, or at once where ``settled`` is false."""
        if (width, dark) not in self._contexts:
            self._contexts[width, dark] = self._browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
            )
        opened = Opened(self._contexts[width, dark].new_page())
        opened.page.goto(url)
        if settled:
            opened.page.wait_for_function(SETTLED)
        return opened
