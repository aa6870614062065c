"""The page as a file: nothing in its data acts, nothing is fetched, it keeps its size."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from evoprune.errors import StorageError
from evoprune.page import MOST_BYTES, content_policy, page_data, render, write_page
from evoprune.page._render import embedded

from .conftest import NAMES, data_of


class Elements(html.parser.HTMLParser):
    """The elements of a page as a browser's parser finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def elements(page):
    parser = Elements()
    parser.feed(page)
    return parser.found


def test_names_with_markup_do_not_become_elements(front_page):
    scripts = [attributes for tag, attributes in elements(front_page) if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]
    assert front_page.count("<script>") == 1
    assert "alert(1)</script>" not in front_page


def test_names_come_out_as_they_went_in_with_what_acts_made_visible(front_page):
    (run,) = data_of(front_page)["runs"]
    assert run["confusion"]["classes"] == [NAMES[0], "a\\u202eb\\x1b[31m & \"quoted\" 'too'", NAMES[2]]
    assert run["name"].endswith("it's <b>a run")
    assert "<title>it&#x27;s &lt;b&gt;a run - evoprune</title>" in front_page


@pytest.mark.parametrize(
    "text", ["</script>", "<!--<script>", "\u2028\u2029", "]]>", "\udc80", "\x00\x7f", "&lt;", "{{script}}"]
)
def test_any_text_survives_being_embedded(text):
    data = {"live": False, "title": text, "runs": [], "text": text}
    page = render(data)
    assert data_of(page)["text"] == text
    assert not set("<>&\u2028\u2029") & set(embedded(data))
    assert len([tag for tag, _ in elements(page) if tag == "script"]) == 2


def test_nothing_is_fetched_from_anywhere(front_page):
    for tag, attributes in elements(front_page):
        for name in ("src", "href", "action", "data", "srcset"):
            if name in attributes:
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
    style = re.search(r"<style>(.*?)</style>", front_page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    # The one address is the name of a namespace.
    assert set(re.findall(r"https?://[\w./]+", front_page)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("live", [False, True])
def test_the_policy_allows_this_script_and_this_style_alone(front_run, live):
    page = render(page_data([front_run], live=live))
    (policy,) = [a["content"] for tag, a in elements(page) if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == ("'self'" if live else "'none'")
    assert "unsafe" not in policy
    assert content_policy(live=live).header == f"{policy}; frame-ancestors 'none'"
    # Such a policy forbids style attributes and handlers in markup.
    assert not [a for _, a in elements(page) if "style" in a or any(name.startswith("on") for name in a)]


def noise(path, width, height, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def explained(image_run, tmp_path):
    """A run with figures that do not shrink well: together some 20 MB."""
    folder = tmp_path / "run"
    shutil.copytree(image_run, folder)
    for number, name in enumerate(
        ("heatmaps_classes", "heatmaps_neurons", "concepts", *(f"concepts_{n}" for n in range(2, 9)))
    ):
        noise(folder / "explain" / f"{name}.png", 900, 700, number)
    noise(folder / "explain" / "faithfulness.png", 40, 30, 99)
    (folder / "explain" / "explanation.json").write_text(
        json.dumps({"member": 1, "method": "Grad-CAM++", "top": [{"neuron": 3, "strength": 0.25}]})
    )
    return folder


def test_figures_are_made_small_enough_for_the_page(explained, tmp_path):
    page = write_page([explained], tmp_path / "page.html")
    assert page.stat().st_size < MOST_BYTES
    (run,) = data_of(page.read_text())["runs"]
    shown = run["explained"]
    names = [figure["file"] for figure in shown["figures"]]
    assert names[:2] == ["heatmaps_classes.png", "heatmaps_neurons.png"]
    assert len(names) + shown["left_out"] == 11
    assert shown["left_out"] > 0
    for figure in shown["figures"]:
        kind, contents = figure["source"].split(",", 1)
        assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
        assert len(base64.b64decode(contents)) < 320_000
    strengths = {one["neuron"]: one["strength"] for one in run["neurons"]["top"]}
    assert strengths.get(3, 0.25) == 0.25


def test_a_figure_that_is_damaged_is_left_out(explained):
    for path in (explained / "explain").glob("*.png"):
        path.write_bytes(path.read_bytes()[:200])
    (run,) = page_data([explained])["runs"]
    assert "explained" not in run


def test_an_ensemble_is_shown_with_its_means(front_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(front_run, folder)
    (folder / "ensemble").mkdir()
    both = {"accuracy": [0.9, 0.8], "calibration": [None, None], "ood": [0.7, 0.9]}
    one = {"accuracy": [0.85], "calibration": [None], "ood": [0.5]}
    contenders = [
        {"name": "ensemble", "heads": 2, "parameters": 100, "hindsight": False, "by_repetition": both},
        {"name": "best_in_hindsight", "heads": 1, "parameters": 50, "hindsight": True, "by_repetition": one},
    ]
    (folder / "ensemble" / "ensemble.json").write_text(json.dumps({"contenders": contenders}))
    (run,) = page_data([folder])["runs"]
    ensemble, other = run["ensemble"]["rows"]
    assert ensemble["figures"]["accuracy"] == {
        "mean": pytest.approx(0.85),
        "std": pytest.approx(np.std([0.9, 0.8], ddof=1)),
    }
    assert run["ensemble"]["measures"] == ["accuracy", "ood"]
    assert other["hindsight"]
    assert other["figures"]["accuracy"]["std"] is None


def test_too_many_runs_for_one_page_are_refused(front_run, tmp_path, monkeypatch):
    monkeypatch.setattr("evoprune.page._write.MOST_BYTES", 50_000)
    with pytest.raises(StorageError, match="name fewer runs"):
        write_page([front_run], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_words_are_there_without_a_script(front_page):
    (text,) = re.findall(r"<noscript>(.*?)</noscript>", front_page, re.DOTALL)
    assert "The evolved head is right for" in text
    assert "<b>a run" not in text
