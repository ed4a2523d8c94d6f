"""The console in a real browser over a real hub: every screen in both languages, live, honest when data is missing."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlmodel import Session

from edge.contract.interval import label_of_interval, start_utc_s
from hub.api.events import Stage
from hub.store.hosting import HostingOmission

PICTURES = os.environ.get("CONSOLE_PICTURES")
"""Folder for a picture of each screen; none are written if it is not set."""

LANGUAGES = ("zh-CN", "en")
LIST_AT = 1_463_500_800
"""The end of the operating day, 18 May 2016 00:00 (UTC+8)."""
COLOURED = """
() => [...document.querySelectorAll('body *')].flatMap(element => {
  const style = getComputedStyle(element);
  return [style.color, style.backgroundColor, style.fill].filter(colour => {
    const [red, green, blue, alpha = 1] = (colour.match(/[0-9.]+/g) ?? []).map(Number);
    return alpha > 0 && Math.max(red, green, blue) - Math.min(red, green, blue) > 24;
  }).map(colour => element.className + ' ' + colour);
})
"""


def satisfied(watched, hub):
    """Nothing was asked of another host, and nothing was said on the browser's console."""
    assert watched.foreign_requests(hub.address) == []
    assert watched.complaints == []


def picture(page, name):
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.mark.parametrize(("language", "colours"), [("zh-CN", "light"), ("en", "dark")])
def test_overview(hub_of, open_page, chromium, language, colours):
    hub = hub_of(settled=54, cleared=2)
    watched = open_page(hub, "overview", language, colours=colours)
    page = watched.page
    expect(page.locator("[data-figure=interval]")).to_have_text("14:00")
    price = hub.days.root_price(hub.days.FIRST + 55)
    expect(page.locator("[data-figure=root] .number")).to_contain_text(f"0.{price:06d}")
    expect(page.locator("[data-figure=zero]")).to_contain_text("0.000000000")
    expect(page.locator("[data-panel=network]")).to_contain_text("LV07.201 Bus 12")
    chromium.wait_for_charts(page, 2)
    assert page.title().startswith("14:00 · ")
    assert page.evaluate("document.documentElement.lang") == language
    assert page.evaluate(
        "document.documentElement.scrollWidth <= innerWidth && document.body.scrollHeight <= innerHeight"
    )
    picture(page, f"overview-{language}-{colours}")
    satisfied(watched, hub)


@pytest.mark.parametrize("language", LANGUAGES)
def test_market(hub_of, open_page, chromium, county_day, language):
    hub = hub_of(settled=54, cleared=2)
    watched = open_page(hub, f"market/{county_day.FIRST + 50}", language)
    page = watched.page
    orders = page.locator("[data-panel=orders] .vtable-row")
    expect(orders.first).to_be_visible()
    chromium.wait_for_charts(page, 1)
    assert orders.count() < 60, "of 241 orders only those in sight are in the page"
    page.locator("[data-panel=orders] input").fill("M000008")
    expect(orders).to_have_count(1)
    expect(orders).to_contain_text("M000008")
    picture(page, f"market-{language}")
    page.locator("[data-panel=result] header button").nth(1).click()
    expect(page.locator("[data-panel=result] .vtable-row")).to_have_count(9)
    satisfied(watched, hub)


@pytest.mark.parametrize("language", LANGUAGES)
def test_statements(hub_of, open_page, language):
    hub = hub_of(settled=96, cleared=0)
    watched = open_page(hub, "statements", language)
    page = watched.page
    expect(page.locator("[data-panel=accounts] [data-figure=zero]")).to_have_text("0.000000000")
    page.locator("[data-panel=list] input").fill("M000003")
    rows = page.locator("[data-panel=list] .vtable-row")
    expect(rows).to_have_count(1)
    rows.first.click()
    sheet = page.locator("[data-panel=statement]")
    expect(sheet.locator("tbody tr")).to_have_count(3)
    amounts = [float(text.replace("−", "-")) for text in sheet.locator("tbody tr td:last-child").all_inner_texts()]
    total = float(sheet.locator("[data-figure=total]").inner_text().replace("−", "-"))
    assert sum(round(amount * 100) for amount in amounts) == round(total * 100)
    assert page.url.endswith("#/statements/P00003")
    picture(page, f"statements-{language}")
    satisfied(watched, hub)


@pytest.mark.parametrize(("language", "colours"), [("zh-CN", "light"), ("en", "dark")])
def test_hosting(hub_of, open_page, language, colours):
    hub = hub_of(settled=10, cleared=2, refused=False)
    hub.assess(LIST_AT)
    watched = open_page(hub, "hosting", language, colours=colours)
    page = watched.page
    rows = page.locator("[data-panel=hosting] .vtable-row")
    expect(rows).to_have_count(26)
    expect(page.locator("[data-figure=assessed]")).to_contain_text("2016-05-18 00:00 · DL/T 2041-2025")
    # A grade is a letter beside its colour, and what is normal has none.
    letters = page.locator("[data-panel=hosting] .grade .letter").all_inner_texts()
    assert sorted(set(letters)) == sorted(("绿", "黄", "红") if language == "zh-CN" else ("G", "Y", "R"))
    coloured = {one.split()[1] for one in page.evaluate(COLOURED) if one.startswith("grade ")}
    assert coloured == {"yellow", "red"}
    rows.nth(2).click()
    expect(page.locator("[data-panel=unit]")).to_contain_text("MV1.101 Line 1")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"hosting-{language}-{colours}")
    satisfied(watched, hub)


def test_the_list_is_filtered_sorted_and_downloaded(hub_of, open_page):
    hub = hub_of(settled=10, cleared=2)
    hub.assess(LIST_AT)
    watched = open_page(hub, "hosting", "en")
    page, panel = watched.page, watched.page.locator("[data-panel=hosting]")
    units = panel.locator(".vtable-row > span:first-child")
    expect(units).to_have_count(26)
    panel.get_by_role("button", name="red 6").click()
    expect(units).to_have_count(6)
    panel.get_by_role("button", name="Area").click()
    assert [text.split()[0] for text in units.all_inner_texts()] == ["A001", "A002", "A003", "A004", "A005"]
    panel.get_by_role("button", name="C1", exact=True).click()
    assert [text.split()[0] for text in units.all_inner_texts()] == ["A001", "A002", "A003", "A004", "A005"]
    panel.get_by_role("button", name="C1 ▾").click()
    assert [text.split()[0] for text in units.all_inner_texts()] == ["A005", "A004", "A003", "A002", "A001"]
    panel.get_by_role("searchbox").fill("A00")
    panel.get_by_role("button", name="yellow 6").click()
    expect(units).to_have_count(4)
    for name, kind in (("CSV", "csv"), ("GeoJSON", "geojson")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name, exact=True).click()
        assert download.value.suggested_filename == f"hosting-demo-2016-05-18.{kind}"
    satisfied(watched, hub)


def test_an_older_list_stands_as_it_was(hub_of, open_page):
    hub = hub_of(settled=10, cleared=2)
    hub.assess(LIST_AT)
    page = open_page(hub, "hosting").page
    choice = page.locator("select")
    expect(choice.locator("option")).to_have_count(1)
    hub.assess(LIST_AT + 86_400 * 44)  # the next quarter's comes while the reader looks on
    expect(page.locator("[data-figure=assessed]")).to_contain_text("2016-07-01 00:00")
    choice.select_option(str(LIST_AT))
    expect(page.locator("[data-figure=assessed]")).to_contain_text("2016-05-18 00:00")
    assert page.url.endswith(f"#/hosting/{LIST_AT}")
    page.goto(f"{hub.address}/#/hosting/77")
    expect(page.locator("[data-panel=none]")).to_contain_text("没有该日期的清单")


def test_a_hub_without_a_list_says_when_it_comes_and_why_a_day_gave_none(hub_of, open_page):
    hub = hub_of(settled=10, cleared=2)
    watched = open_page(hub, "hosting", "en")
    page, panel = watched.page, watched.page.locator("[data-panel=none]")
    expect(panel).to_contain_text("No assessment of hosting capacity yet")
    expect(panel).to_contain_text("2016-05-18 00:00 (UTC+8)")
    picture(page, "hosting-none")
    hub.omit(HostingOmission(LIST_AT - 86_400, "noon-not-measured", "0 of 4 intervals"))
    hub.announce(Stage.READ, 11)
    expect(panel.locator(".mark.nodata")).to_have_text("✕Days that gave no list")
    expect(panel.locator("li")).to_contain_text("2016-05-17 00:00 · the typical noon was not measured")
    hub.assess(LIST_AT)
    expect(page.locator("[data-panel=hosting] .vtable-row")).to_have_count(26)
    satisfied(watched, hub)


def test_the_screen_follows_the_hub(hub_of, open_page, county_day):
    hub = hub_of(settled=10, cleared=2)
    watched = open_page(hub)
    page = watched.page
    for position in (12, 13):
        hub.at = position - 1
        hub.clear(position)
        hub.settle(position - 2)
        label = label_of_interval(county_day.FIRST + position)
        expect(page.locator("[data-figure=interval]")).to_have_text(label)
        expect(page.locator(".ribbon-cell.settled")).to_have_count(position - 1)
    satisfied(watched, hub)


def test_all_tabs_share_one_line(hub_of, open_page):
    hub = hub_of(settled=10, cleared=2)
    watched = open_page(hub)
    context = watched.page.context
    others = []
    for _ in range(6):  # a browser opens at most six connections to one host
        page = context.new_page()
        page.goto(f"{hub.address}/#/overview")
        page.wait_for_selector("[data-line=alive]")
        others.append(page)
    assert hub.events.listeners == 1
    hub.clear(12)
    for page in (watched.page, *others):
        expect(page.locator("[data-figure=interval]")).to_have_text("03:15")
    satisfied(watched, hub)


def test_a_browser_without_shared_workers_is_live_too(hub_of, browser, chromium):
    hub = hub_of(settled=10, cleared=2)
    with chromium.watched_page(browser) as watched:
        watched.page.add_init_script("delete window.SharedWorker")
        watched.page.goto(f"{hub.address}/#/overview")
        watched.page.wait_for_selector("[data-line=alive]")
        hub.clear(12)
        expect(watched.page.locator("[data-figure=interval]")).to_have_text("03:15")
        satisfied(watched, hub)


def test_a_hub_that_goes_away_is_an_alarm_and_comes_back(hub_of, open_page):
    hub = hub_of(settled=10, cleared=2)
    page = open_page(hub).page
    expect(page.locator("[data-figure=interval]")).to_have_text("03:00")
    port = int(hub.address.rpartition(":")[2])
    hub.opened.close()
    expect(page.locator("[data-line=lost] .mark.alarm")).to_be_visible()
    hub.clear(12)
    hub.events = type(hub.events)("boot2")
    hub.serve(port)
    expect(page.locator("[data-line=alive]")).to_be_visible()
    expect(page.locator("[data-figure=interval]")).to_have_text("03:15")


def test_what_is_normal_is_grey(hub_of, open_page, chromium):
    hub = hub_of(settled=10, cleared=2, refused=False)
    for colours in ("light", "dark"):
        page = open_page(hub, colours=colours).page
        expect(page.locator("[data-figure=interval]")).to_have_text("03:00")
        chromium.wait_for_charts(page, 2)
        assert page.locator(".mark:not(.ribbon-key .mark)").count() == 0
        page.evaluate("document.querySelector('.ribbon-key').remove()")  # the key shows what abnormal looks like
        assert page.evaluate(COLOURED) == []


def test_no_data_is_an_alarm(hub_of, open_page, county_day):
    hub = hub_of(settled=10, cleared=2, refused=False)
    with Session(hub.engine) as session:
        county_day.silence(session, 4, start_utc_s(county_day.FIRST + 6))
        session.commit()
    page = open_page(hub).page
    data = page.locator("[data-panel=data]")
    expect(data.locator(".mark.nodata")).to_have_text("✕1 / 21")
    expect(data).to_contain_text("G0005 · A005")


def test_an_empty_hub_says_that_it_has_no_data(hub_of, open_page):
    hub = hub_of(settled=0, cleared=0, refused=False)
    watched = open_page(hub)
    page = watched.page
    for figure in ("interval", "root", "zero"):
        expect(page.locator(f"[data-figure={figure}] .mark.nodata")).to_be_visible()
    expect(page.locator(".range-nodata")).to_have_count(2)
    satisfied(watched, hub)


def test_keys_move_through_the_day(hub_of, open_page, county_day):
    hub = hub_of(settled=20, cleared=2)
    watched = open_page(hub, f"market/{county_day.FIRST + 5}")
    page = watched.page
    ribbon = page.get_by_role("slider")
    expect(ribbon).to_have_attribute("aria-valuetext", "01:30 已结算")
    ribbon.press("ArrowRight")
    expect(page).to_have_url(f"{hub.address}/?language=zh-CN#/market/{county_day.FIRST + 6}")
    expect(ribbon).to_have_attribute("aria-valuetext", "01:45 已结算")
    ribbon.press("Home")
    expect(page.locator(".day h2")).to_contain_text("00:15")
    satisfied(watched, hub)


def test_the_language_is_kept(hub_of, open_page):
    hub = hub_of(settled=2, cleared=1)
    page = open_page(hub, language="zh-CN").page
    page.get_by_role("button", name="English").click()
    expect(page.locator("nav a").first).to_have_text("Overview")
    page.goto(f"{hub.address}/#/overview")
    page.reload()
    expect(page.locator("nav a").first).to_have_text("Overview")
    assert page.evaluate("document.documentElement.lang") == "en"


def test_the_picture_of_the_readme(hub_of, browser, chromium, tmp_path):
    hub = hub_of(settled=30, cleared=2)
    path = tmp_path / "pictures" / "console-overview.png"
    chromium.save_overview_picture(browser, hub.address, path)
    assert path.read_bytes().startswith(b"\x89PNG")
