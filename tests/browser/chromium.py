"""Debian's Chromium, driven by Playwright: opens the console and watches what it asks for and complains about.

`with chromium() as browser: save_overview_picture(browser, address, path)` takes the picture of the README from a
console that is being served. Playwright allows one browser at a time in a process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWPORT = {"width": 1280, "height": 800}
WAIT_MS = 60_000
"""How long a page of a loaded machine may take to show what is expected of it."""


class ChromiumMissingError(RuntimeError):
    """The browser is not installed: apt-get install chromium fonts-noto-cjk."""


@dataclass
class Watched:
    """A page, the addresses it asked for, and what it complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def foreign_requests(self, address: str) -> list[str]:
        own = urlsplit(address).netloc
        asked = (urlsplit(url) for url in self.requests)
        return [url.geturl() for url in asked if url.scheme not in {"data", "blob"} and url.netloc != own]


@contextmanager
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        raise ChromiumMissingError("chromium is not installed; apt-get install chromium fonts-noto-cjk")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), headless=True)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched_page(
    browser: Browser, *, colours: str = "light", width: int = 1280, height: int = 800
) -> Iterator[Watched]:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=colours, reduced_motion="reduce", locale="zh-CN"
    )
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    watched = Watched(page)
    context.on("request", lambda request: watched.requests.append(request.url))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("console", lambda said: said.type in {"error", "warning"} and watched.complaints.append(said.text))
    try:
        yield watched
    finally:
        context.close()


def wait_for_charts(page: Page, count: int) -> None:
    """Wait until the charts are drawn: ECharts puts a canvas into each box."""
    page.wait_for_function("count => document.querySelectorAll('.chart canvas').length >= count", arg=count)


def save_overview_picture(
    browser: Browser, address: str, path: Path, *, language: str = "zh-CN", colours: str = "light"
) -> None:
    """Write a PNG of the overview as it is now. address: of the running console, such as http://127.0.0.1:8000."""
    with watched_page(browser, colours=colours, width=1440, height=900) as watched:
        watched.page.goto(f"{address}/?language={language}#/overview")
        watched.page.wait_for_selector("[data-line=alive]")
        watched.page.wait_for_selector("[data-figure=root] .number")
        wait_for_charts(watched.page, 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        watched.page.screenshot(path=path)
