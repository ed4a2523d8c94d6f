"""The console in a real browser while a day runs: live in both languages, asking nobody else, and changing nothing.

With MICROBALANCE_PICTURES=1 the day is a long one, and the picture of the README is taken from it.
"""

import csv
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "console-overview.png" if os.environ.get("MICROBALANCE_PICTURES") else None
DAYLIGHT = ("--from", "08:00", "--to", "16:00")
PICTURE_AT = "14:45"
WAIT_MS = 300_000
"""How long the loaded machine may need for the next interval."""


@pytest.fixture(scope="module")
def chromium() -> ModuleType:
    path = ROOT / "tests" / "browser" / "chromium.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def shown_interval(page):
    return page.locator("[data-figure=interval]")


def follow(page, last, until=None):
    """Read the newest cleared interval and its price whenever they change, until the day's last; return all."""
    interval = shown_interval(page)
    seen = {}
    while last not in seen and until not in seen:
        label = interval.inner_text()
        seen[label] = page.locator("[data-figure=root] .number").inner_text()
        if label not in {last, until}:
            expect(interval).not_to_have_text(label, timeout=WAIT_MS)
    return seen


def wait_until_settled(address):
    """Wait until the hub has settled an interval."""
    while not httpx.get(f"{address}/api/v1/overview", timeout=60).json()["last_settled"]:
        pass


def satisfied(watched, address):
    assert watched.foreign_requests(address) == []
    assert watched.complaints == []


def test_the_console_follows_a_running_day(demo_process, prepared_folder, chromium, noon, noon_span):
    folder = prepared_folder()
    span = DAYLIGHT if PICTURE else noon_span
    with (
        chromium.chromium() as browser,
        chromium.watched_page(browser) as chinese,
        chromium.watched_page(browser, colours="dark") as english,
        demo_process.Program(demo_process.demo_arguments(folder, *span), folder) as day,
    ):
        address = day.wait_for_line(demo_process.CONSOLE)
        with day.paused():  # the day may be faster than a browser on a loaded machine
            chinese.page.goto(f"{address}/")
            english.page.goto(f"{address}/?language=en#/overview")
            for watched in (chinese, english):
                watched.page.wait_for_selector("[data-line=alive]", timeout=WAIT_MS)
            expect(chinese.page.locator(".ribbon-cell").first).to_be_visible(timeout=WAIT_MS)
            at_the_start = shown_interval(chinese.page).inner_text()
        wait_until_settled(address)
        with day.paused():
            for watched in (chinese, english):
                expect(watched.page.locator(".ribbon-cell.settled").first).to_be_visible(timeout=WAIT_MS)
                watched.page.wait_for_selector("[data-figure=root] .number")
        if PICTURE:
            follow(chinese.page, span[-1], PICTURE_AT)
            chromium.save_overview_picture(browser, address, PICTURE)
        assert at_the_start != span[-1], "the page was there before the day was over"
        follow(chinese.page, span[-1])  # without loading the page again
        day.wait_for_line("the console stays at")
        when_it_is_over(chinese, english, folder)
        for watched in (chinese, english):
            satisfied(watched, address)
    ended = day.stop().succeeded()
    assert ended.summary["ok"] is True
    if not PICTURE:
        assert ended.summary["result_hash"] == noon.summary["result_hash"], "whoever watches changes nothing"


def when_it_is_over(chinese, english, folder):
    """Look at every screen of the day that is over; what they show is what the report holds."""
    with next((folder / "out").glob("*-intervals.csv")).open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    price = int(rows[-1]["root_price_uyuan_per_kwh"])
    for watched, language, words in ((chinese, "zh-CN", ("总览", "市场")), (english, "en", ("Overview", "Market"))):
        page = watched.page
        expect(page.locator(".ribbon-cell.settled")).to_have_count(len(rows))
        expect(page.locator("[data-figure=interval]")).to_have_text(rows[-1]["label"])
        expect(page.locator("[data-figure=root] .number")).to_contain_text(
            f"{price // 1_000_000}.{price % 1_000_000:06d}"
        )
        expect(page.locator("[data-figure=zero]")).to_contain_text("0.000000000")
        assert page.evaluate("document.documentElement.lang") == language
        for link, word in zip(page.locator("nav a").all(), words, strict=False):
            assert link.inner_text().strip() == word
        page.goto(f"{page.url.partition('#')[0]}#/market/{rows[-1]['interval']}")
        orders = page.locator("[data-panel=orders] .vtable-row")
        expect(orders.first).to_be_visible()
        assert orders.count() < 60, "of thousands of orders only those in sight are in the page"
        page.goto(f"{page.url.partition('#')[0]}#/statements")
        expect(page.locator("[data-panel=accounts] [data-figure=zero]")).to_have_text("0.000000000")
        expect(page.locator("[data-panel=list] .vtable-row").first).to_be_visible()
