"""The screens around the day in a real browser: sessions and exchange, registry, bills, green; both languages."""

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from hub.api.events import Stage

PICTURES = os.environ.get("CONSOLE_PICTURES")
"""Folder for a picture of each screen; none are written if it is not set."""

LOOKS = [("zh-CN", "light", 1280), ("en", "dark", 1280), ("en", "light", 400)]
FITS = "document.documentElement.scrollWidth <= innerWidth"
SETTLED = 30


@pytest.fixture
def hub(hub_of, county_work, toy_register):
    """A hub at 07:45 with sessions, exchange, a registry log, two billed months and green accounts."""
    running = hub_of(settled=SETTLED, cleared=2, refused=False)
    first, registry = running.days.FIRST, running.there.registry
    with Session(running.engine) as session:
        county_work.write_sessions(session, first, now_utc_s=start_utc_s(first + running.at))
        county_work.write_exchange(session, first, until=first + running.at, scheduled=running.days.scheduled)
        county_work.write_bills(session, registry, bills=12)
        county_work.write_green(session, registry, first, running.days.DAY)
        session.commit()
    running.plant, running.shop = county_work.write_registry(running.engine, registry, toy_register)
    return running


def satisfied(watched, hub, name):
    """It fits the window, nothing was asked of another host, nothing was said on the browser's console."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        watched.page.screenshot(path=Path(PICTURES) / f"{name}.png")
    assert watched.page.evaluate(FITS)
    assert watched.foreign_requests(hub.address) == []
    assert watched.complaints == []


def yuan(text):
    return Decimal(text.replace(",", "").replace("−", "-"))


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_sessions_and_exchange(hub, open_page, chromium, look):
    watched = open_page(hub, "sessions", look[0], colours=look[1], width=look[2])
    page = watched.page
    expect(page.locator("[data-figure=next]")).to_have_text("08:00")
    expect(page.locator("[data-figure=frozen]")).to_have_text("30")
    states = page.locator("[data-panel=sessions] [data-state]")
    expect(states.first).to_be_visible()
    timeline = page.get_by_role("slider")
    timeline.press("Home")
    expect(page.locator("[data-panel=session] li")).to_have_count(6)
    expect(page.locator("[data-panel=session]")).to_contain_text("00:15")
    timeline.press("ArrowDown")
    expect(page.locator("[data-panel=session] strong")).to_contain_text("00:30")
    assert page.url.endswith(f"#/sessions/R%2F{hub.days.FIRST + 1}")
    chromium.wait_for_charts(page, 1)
    missed = page.locator("[data-panel=exchange] [data-state=missed]")
    missed.scroll_into_view_if_needed()
    expect(missed.locator(".mark.alarm")).to_be_visible()
    missed.click()
    expect(page.locator("[data-panel=exchange-steps] li")).to_have_count(3)
    meaning = missed.get_attribute("title")
    page.locator("[data-panel=exchange] summary").click()
    expect(page.locator("[data-panel=exchange] .help dd").last).to_have_text(meaning)
    page.locator("[data-panel=exchange-chart] button").nth(1).click()
    expect(page.locator("[data-panel=exchange-chart] button").nth(1)).to_have_attribute("aria-pressed", "true")
    satisfied(watched, hub, f"sessions-{look}")


def test_a_new_answer_of_the_province_comes_by_itself(hub, open_page, county_work):
    page = open_page(hub, "sessions").page
    expect(page.locator("[data-figure=frozen]")).to_have_text("30")
    with Session(hub.engine) as session:
        first = hub.days.FIRST
        county_work.write_exchange(session, first + 50, until=first + 52, scheduled=hub.days.scheduled)
        session.commit()
    hub.announce(Stage.CLEARED, 50)
    expect(page.locator("[data-figure=frozen]")).to_have_text("31")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_registry(hub, open_page, look):
    watched = open_page(hub, "registry", look[0], colours=look[1], width=look[2])
    page = watched.page
    rows = page.locator("[data-panel=points] .vtable-row")
    expect(page.locator("[data-figure=points]")).to_have_text("241")
    expect(rows.first).to_be_visible()
    assert rows.count() < 80, "of 241 points only those in sight are in the page"
    page.locator("[data-panel=points] select").nth(1).select_option("COMMISSION")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(hub.plant)
    expect(rows).to_contain_text("2016-05-02")
    rows.first.click()
    point = page.locator("[data-panel=point]")
    expect(point).to_contain_text("sale-1")
    records = point.locator("[data-sequence]")
    expect(records).to_have_count(5)  # the owner applied and was admitted; plant, election, and one that was refused
    expect(records.last.locator(".mark.warning")).to_be_visible()
    assert page.url.endswith(f"#/registry/points/{hub.plant}")
    satisfied(watched, hub, f"registry-{look}")
    tabs = page.locator(".day-line .choices button")
    tabs.nth(2).click()
    expect(page.locator("[data-panel=waiting] .vtable-row")).to_have_count(1)
    expect(page.locator("[data-panel=waiting] .mark.warning")).to_contain_text("9,160")
    tabs.nth(3).click()
    log = page.locator("[data-panel=log] .vtable-row")
    expect(log).to_have_count(21)
    assert log.locator(".mark.alarm").count() == 0, "each record stands on the one before"
    log.nth(4).click()
    expect(page.locator("[data-panel=record] dd.hash")).to_have_count(2)
    satisfied(watched, hub, f"log-{look}")


def test_a_log_that_was_altered_is_an_alarm(hub, open_page):
    with hub.engine.begin() as connection:
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'registry_event'"
        ).fetchall()
        for (name,) in names:
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.exec_driver_sql("UPDATE registry_event SET actor = 'somebody' WHERE sequence = 5")
    page = open_page(hub, "registry/log").page
    expect(page.locator("[data-figure=sequence] .mark.alarm")).to_be_visible()
    expect(page.locator("[data-panel=log] .mark.alarm")).to_have_count(1)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_bill_can_be_computed_again_from_the_screen(hub, open_page, look):
    watched = open_page(hub, "bills", look[0], colours=look[1], width=look[2])
    page = watched.page
    months = page.locator(".month-bar")
    expect(months).to_have_count(2)
    parts = page.locator("[data-table=month] tbody tr td:nth-child(2)").all_inner_texts()
    assert sum(map(yuan, parts)) == yuan(page.locator("[data-figure=month-total]").inner_text())
    page.locator("[data-panel=list] input").fill("M000002")
    rows = page.locator("[data-panel=list] .vtable-row")
    expect(rows).to_have_count(1)
    rows.first.click()
    lines = page.locator("[data-table=lines] tbody tr")
    expect(lines).to_have_count(4)
    total = Decimal(0)
    for line in lines.all():
        _, quantity, price, exact, amount = line.locator("td").all_inner_texts()
        number, factor = (yuan(re.match(r"[\d.,−]+", text).group()) for text in (quantity, price))
        assert number * factor == yuan(exact)
        assert abs(yuan(exact) - yuan(amount)) <= Decimal("0.005")
        total += yuan(amount)
    assert total == yuan(page.locator("[data-panel=bill] [data-figure=total]").inner_text())
    expect(page.locator("[data-figure=holds]")).to_be_visible()
    expect(page.locator("[data-table=change] tbody tr")).to_have_count(4)
    satisfied(watched, hub, f"bills-{look}")
    months.nth(1).click()
    rows.first.click()
    expect(page.locator(".versions li")).to_have_count(2)
    page.locator(".versions button").first.click()
    expect(page.locator("[data-panel=bill] .sheet-head")).to_contain_text("M000002/2026-01/1")
    for place, begins in ((0, b"%PDF-"), (1, b"PK\x03\x04"), (2, b"{")):
        answer = page.request.get(page.locator(".bill-tools a").nth(place).get_attribute("href"))
        assert (answer.status, answer.body()[: len(begins)]) == (200, begins)


def test_without_a_billed_month_the_screen_says_how_one_comes(hub_of, open_page):
    hub = hub_of(settled=2, cleared=1, refused=False)
    watched = open_page(hub, "bills", "en")
    expect(watched.page.locator("[data-panel=none]")).to_contain_text("microbalance month issue")
    satisfied(watched, hub, "bills-empty")


def test_a_screen_without_its_data_says_so_instead_of_zero(hub_of, open_page):
    hub = hub_of(settled=2, cleared=1, refused=False)
    for where, words in (("sessions", "No session of this day yet"), ("registry/connections", "No project waits")):
        watched = open_page(hub, where, "en")
        expect(watched.page.locator("main")).to_contain_text(words)
        satisfied(watched, hub, "none")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_green(hub, open_page, look):
    watched = open_page(hub, "green", look[0], colours=look[1], width=look[2])
    page = watched.page
    expect(page.locator("[data-figure=generation]")).to_contain_text("2.500")
    expect(page.locator("[data-figure=certificates]")).to_have_text("2")
    expect(page.locator("[data-figure=twice]")).to_have_text("0")
    expect(page.locator("[data-figure=difference]")).to_have_text("0.000000")
    expect(page.locator("[data-panel=plants] .vtable-row")).to_have_count(2)
    satisfied(watched, hub, f"green-{look}")


def test_energy_that_is_certified_twice_is_an_alarm(hub, open_page):
    with hub.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE green_plant_day SET certificates = certificates + 1 WHERE meter = 2")
    page = open_page(hub, "green").page
    expect(page.locator("[data-figure=twice] .mark.alarm")).to_be_visible()
    expect(page.locator("[data-figure=difference] .mark.alarm")).to_be_visible()


def test_every_screen_is_reached_by_the_keyboard_and_fits(hub, open_page):
    watched = open_page(hub, width=400)
    page = watched.page
    links = page.locator("nav a")
    for place in range(links.count()):
        links.nth(place).press("Enter")
        expect(links.nth(place)).to_have_attribute("aria-current", "page")
        expect(page.locator("main .screen")).to_be_visible()
        assert page.evaluate(FITS), links.nth(place).inner_text()
    satisfied(watched, hub, "narrow")
