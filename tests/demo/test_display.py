"""What the user sees while the day runs."""

import io

from rich.console import Console

from simulators.demo.display import BarDisplay, PlainDisplay, QuietDisplay, display_for

MIDNIGHT = 1_463_414_400


def test_without_a_terminal_there_is_one_line_an_hour_and_no_control_character() -> None:
    text = io.StringIO()
    with display_for(Console(file=text), quiet=False) as display:
        assert isinstance(display, PlainDisplay)
        display.say("console: http://127.0.0.1:8000 [not markup]")
        for done in range(1, 10):
            display.instant(MIDNIGHT + (done - 1) * 900, done, 10, done * 1000)
        display.instant(MIDNIGHT + 9 * 900, 10, 10, 10_000)
    lines = text.getvalue().splitlines()
    assert lines[0] == "console: http://127.0.0.1:8000 [not markup]"
    assert [line[:16] for line in lines[1:]] == [
        "2016-05-17T00:00",
        "2016-05-17T01:00",
        "2016-05-17T02:00",
        "2016-05-17T02:15",
    ]
    assert "10,000 readings" in lines[-1]
    assert "\x1b" not in text.getvalue()


def test_a_terminal_gets_a_bar() -> None:
    text = io.StringIO()
    with display_for(Console(file=text, force_terminal=True, width=100), quiet=False) as display:
        assert isinstance(display, BarDisplay)
        display.instant(MIDNIGHT, 1, 2, 5)
        display.say("a word")
        display.instant(MIDNIGHT, 2, 2, 5)
    assert "a word" in text.getvalue()


def test_quiet_shows_nothing() -> None:
    text = io.StringIO()
    with display_for(Console(file=text, force_terminal=True), quiet=True) as display:
        assert type(display) is QuietDisplay
        display.say("a word")
        display.instant(MIDNIGHT, 1, 1, 5)
    assert text.getvalue() == ""
