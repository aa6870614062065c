"""The page in a real browser: it loads without a complaint, shows its figures, and can be used by pointer and keys."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import threading
from contextlib import contextmanager

import pytest

from evoprune.page import PageServer, page_data, render, write_page
from evoprune.page import _server as server_module
from evoprune.workflow import Choice, RunFolder, choose, read_status

from .conftest import NASTY

pytestmark = pytest.mark.slow


@contextmanager
def opened(browser, url, width=1280, scheme="light"):
    """A page at an address; at the end it must not have complained."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}") or dialog.dismiss())
    page.on("request", lambda request: outside(request.url, url, complaints))
    page.goto(url)
    # Charts are drawn when the browser has told them how wide they may be.
    until(page, "[...document.querySelectorAll('.chart')].every((at) => !at.offsetParent || at.querySelector('svg'))")
    yield page
    assert complaints == []
    page.close()


def until(page, condition):
    """Wait until a condition holds; playwright's own way evaluates text, which the page's policy forbids."""
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it never came to be: {condition}")


def drawn(page, selector, count):
    """Wait until there are so many: charts are drawn a moment after what they show has changed."""
    until(page, f"document.querySelectorAll({json.dumps(selector)}).length === {count}")


def outside(asked, url, complaints):
    """Note a request for anything but the page and what is in it."""
    if not asked.startswith(("data:", url)):
        complaints.append(f"request: {asked}")


@pytest.fixture
def front(front_run, tmp_path):
    return write_page([front_run], tmp_path / "page.html").as_uri()


@pytest.fixture(scope="module")
def summary(front_run):
    return read_status(RunFolder(front_run)).summary


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_from_disk_at_any_width_and_in_both_themes(browser, front, width, scheme):
    with opened(browser, front, width, scheme) as page:
        # Nothing sticks out to the side.
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        red, green, blue = map(
            int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
        )
        assert (red + green + blue < 200) == (scheme == "dark")
        headings = page.locator("h2").all_inner_texts()
        assert headings == [
            "Front",
            "Search",
            "Search over-fitting",
            "What is confused",
            "Neurons",
            "Data and protocol",
        ]


def test_names_are_shown_as_they_are_and_do_nothing(browser, front):
    with opened(browser, front) as page:
        assert page.locator("h1").inner_text().endswith("it's <b>a run")
        assert page.locator(f'.matrix th[title="{NASTY}"]').count() == 6
        assert page.evaluate("document.scripts.length") == 2


def test_images_with_markup_in_their_names_are_shown(browser, image_run, tmp_path):
    with opened(browser, write_page([image_run], tmp_path / "page.html").as_uri()) as page:
        pictures = page.locator(".thumbs img")
        assert pictures.count() > 0
        pictures.first.scroll_into_view_if_needed()
        until(page, "document.querySelector('.thumbs img').naturalWidth > 0")
        assert page.locator(".thumbs li", has_text="<img src=x onerror=alert(1)>").count() > 0


def test_the_result_table_says_what_the_store_says(browser, front, summary):
    with opened(browser, front) as page:
        rows = page.get_by_role("region", name="Result").get_by_role("row").all_inner_texts()
        for part in ("validation", "test"):
            (row,) = [row for row in rows if row.startswith(f"{part}: accuracy")]
            expected = [
                f"{100 * summary[head][f'{part}_accuracy']:.2f} ± {100 * summary[head][f'{part}_accuracy_std']:.2f} %"
                for head in ("dense", "best")
            ]
            assert row.split("\t")[1:] == expected


def test_hovering_a_member_shows_its_figures(browser, front, summary):
    with opened(browser, front) as page:
        points = page.locator(".point:not(.dense)")
        drawn(page, ".point:not(.dense)", len(summary["front"]))
        texts = set()
        for number in range(points.count()):
            # Points may lie upon each other.
            points.nth(number).dispatch_event("pointermove", {"clientX": 300, "clientY": 300})
            texts.add(page.locator("#tip").inner_text())
        for member in summary["front"]:
            (text,) = [text for text in texts if re.match(rf"member {member['id']}( \(chosen\))?\n", text)]
            accuracy, std = member["validation"]["accuracy"], member["validation_std"]["accuracy"]
            spread = f" ± {100 * std:.2f}" if std > 0 else ""
            assert f"accuracy {100 * accuracy:.2f}{spread} %" in text
            assert f"active {100 * member['active_share']:.2f} %" in text
        points.nth(0).dispatch_event("pointerleave")
        assert page.locator("#tip").is_hidden()


def test_a_real_pointer_brings_the_box_up(browser, front):
    with opened(browser, front) as page:
        page.locator(".point.chosen").hover(force=True)
        assert page.locator("#tip").inner_text().startswith("member ")


def test_the_sliders_leave_the_members_that_satisfy_them(browser, front, summary):
    with opened(browser, front) as page:
        shares = sorted({member["active_share"] for member in summary["front"]})
        bound = shares[len(shares) // 2]
        page.locator('input[name="active"]').fill(str(len(shares) // 2))
        aurocs = sorted({member["validation"]["ood"] for member in summary["front"]})
        page.locator('input[name="ood"]').fill("1")
        left = [m for m in summary["front"] if m["active_share"] <= bound and m["validation"]["ood"] >= aurocs[1]]
        drawn(page, ".point:not(.dense):not(.off)", len(left))
        said = page.locator(".found").inner_text()
        assert said.startswith(f"{len(left)} of {len(summary['front'])} members satisfy this.")
        # The command that stands there means the member that is named.
        words = shlex.split(page.locator(".found code").inner_text())
        assert words[:2] == ["evoprune", "select"]
        where = words[words.index("--where") + 1]
        chosen, _ = choose(summary, Choice(best=words[words.index("--max") + 1], where=where))
        assert f"member {chosen}:" in said
        best = max(left, key=lambda m: (m["validation"]["accuracy"], -m["active_neurons"]))
        assert chosen == best["id"]


@pytest.mark.parametrize("name", ["active", "accuracy", "ood"])
def test_every_place_of_a_slider_gives_a_command_that_is_right(browser, front, summary, name):
    with opened(browser, front) as page:
        slider = page.locator(f'input[name="{name}"]')
        for place in range(int(slider.get_attribute("max")) + 1):
            slider.fill(str(place))
            words = shlex.split(page.locator(".found code").inner_text())
            where = words[words.index("--where") + 1] if "--where" in words else None
            chosen, _ = choose(summary, Choice(best="accuracy", where=where))
            assert f"member {chosen}:" in page.locator(".found").inner_text()


def test_a_click_opens_the_card_with_commands(browser, front, summary):
    with opened(browser, front) as page:
        page.locator(".point.chosen").click(force=True)
        card = page.locator(".card")
        number = summary["best"]["id"]
        assert card.locator("h3").inner_text() == f"Member {number}, the chosen one"
        commands = card.locator("code").all_inner_texts()
        assert [shlex.split(text)[1] for text in commands] == ["select", "export", "explain"]
        assert shlex.split(commands[0])[-2:] == ["--id", str(number)]
        assert shlex.split(commands[0])[2] == summary["run"]
        page.get_by_role("button", name="Close").click()
        assert card.count() == 0


def test_the_front_is_used_by_keys_alone(browser, front, summary):
    with opened(browser, front) as page:
        page.locator(".found code").click()
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.classList.contains('point')"):
                break
        focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused.startswith(f"member {summary['best']['id']} (chosen)")
        assert page.locator("#tip").is_visible()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        second = page.evaluate("document.activeElement.getAttribute('aria-label')")
        by_size = sorted(summary["front"], key=lambda member: member["active_share"])
        assert int(re.match(r"member (\d+)", second)[1]) in {m["id"] for m in by_size[1:3]} | {by_size[0]["id"]}
        page.keyboard.press("Enter")
        until(page, "document.activeElement.classList.contains('card')")
        page.keyboard.press("Escape")
        until(page, "document.activeElement.classList.contains('point')")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == second
        # One stop for the whole picture.
        drawn(page, ".point[tabindex='0']", 1)


def test_the_axes_and_the_part_can_be_chosen(browser, front, summary):
    with opened(browser, front) as page:
        page.get_by_label("up", exact=True).select_option("ood")
        page.get_by_role("button", name="test", exact=True).click()
        point = page.locator(".point.chosen")
        point.dispatch_event("pointermove", {"clientX": 300, "clientY": 300})
        assert f"OOD AUROC {summary['best']['test']['ood']:.4f}" in page.locator("#tip").inner_text()
        page.get_by_role("button", name="the search", exact=True).click()
        drawn(page, ".cloud", 40 + 1)


def test_curves_are_read_by_keys(browser, front, front_run):
    connection = sqlite3.connect(front_run / "study.sqlite")
    values = [
        value
        for (value,) in connection.execute(
            "SELECT value FROM objective_values WHERE objective = 'accuracy' ORDER BY evaluation"
        )
    ]
    connection.close()
    with opened(browser, front) as page:
        curve = page.get_by_role("slider", name="Best accuracy over evaluations")
        curve.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        said = page.locator("#tip").inner_text()
        assert said.startswith(
            f"evaluation 2\nbest so far {100 * max(values[:2]):.2f} %\nthis one {100 * values[1]:.2f} %"
        )
        page.keyboard.press("Escape")
        assert page.locator("#tip").is_hidden()


def test_a_run_with_one_objective_has_a_page(browser, single_run, tmp_path):
    with opened(browser, write_page([single_run], tmp_path / "page.html").as_uri(), 390) as page:
        assert "paper protocol" in page.locator(".badge.warn").inner_text()
        drawn(page, ".point", 2)


def test_several_runs_are_drawn_in_one_picture(browser, front_run, single_run, growing, tmp_path):
    with opened(browser, write_page([front_run, single_run, growing], tmp_path / "page.html").as_uri()) as page:
        assert page.get_by_role("region", name="Runs").get_by_role("row").count() == 4
        assert page.locator("details.run[open]").count() == 0
        # Of a run under way nothing but the search is known.
        assert page.get_by_role("button", name="test", exact=True).count() == 0
        page.locator("details.run summary").first.click()
        page.wait_for_selector("details.run[open] h3")
        page.wait_for_selector("details.run[open] .chart svg")


def test_it_prints_what_is_folded_away(browser, front):
    with opened(browser, front) as page:
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        assert page.locator(".sliders").is_hidden()
        assert len(page.pdf()) > 20_000


def test_it_follows_a_search_and_keeps_what_the_reader_has_set(browser, growing, front_run, monkeypatch):
    monkeypatch.setattr(server_module, "_FRESH", 0.0)
    whole = sqlite3.connect(front_run / "study.sqlite")
    with PageServer(lambda: [growing]) as server:
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        with opened(browser, server.url) as page:
            assert page.locator(".badge.live").inner_text() == "10 of 40 evaluations"
            page.get_by_label("up", exact=True).select_option("ood")
            page.locator(".point").first.focus()
            key = page.evaluate("document.activeElement.dataset.key")
            writer = sqlite3.connect(growing / "study.sqlite", isolation_level=None)
            writer.execute("PRAGMA journal_mode = WAL")
            for table, column in (("evaluations", "id"), ("objective_values", "evaluation")):
                for row in whole.execute(f"SELECT * FROM {table} WHERE {column} BETWEEN 11 AND 14"):  # noqa: S608
                    writer.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            until(page, "document.querySelector('.badge.live').textContent === '14 of 40 evaluations'")
            assert page.get_by_label("up", exact=True).input_value() == "ood"
            until(page, f"document.activeElement.dataset.key === {json.dumps(key)}")
            writer.close()
        server.close()
    whole.close()


def test_a_live_page_is_allowed_to_ask_its_server_alone(browser, front_run, tmp_path):
    # The same file from disk has no server to ask, and says so without a complaint of the program.
    text = render(page_data([front_run]))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "connect-src 'none'" in policy
    place = tmp_path / "page.html"
    place.write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto(place.as_uri())
    refused = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => String(error))")
    assert "Failed to fetch" in refused
    assert json.loads(page.locator("#data").text_content())["live"] is False
    page.close()
