"""From data to one HTML file: style and script stand in it, and nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_ASSETS = Path(__file__).with_name("assets")

SCRIPTS = (
    "base.js",
    "scale.js",
    "tip.js",
    "lines.js",
    "front.js",
    "member.js",
    "choose.js",
    "tables.js",
    "confusion.js",
    "neurons.js",
    "extras.js",
    "compare.js",
    "main.js",
)
"""The parts of the page's one script, in their order."""

MOST_BYTES = 5_000_000
"""Bytes that a page may have."""


@dataclass(frozen=True)
class Policy:
    """What the page lets the browser do: its own script and style, by their hashes, and pictures within it.

    Attributes:
        header: as an HTTP header has it.
        meta: as the page itself has it, where it is opened from disk.
    """

    header: str
    meta: str


def render(data: Mapping[str, Any]) -> str:
    """The page.

    Args:
        data: as `page_data` gives it.
    """
    parts = {
        "policy": content_policy(live=bool(data["live"])).meta,
        "title": html.escape(f"{data['title']} - evoprune"),
        "style": _style(),
        "script": _script(),
        "words": _words(data),
        "data": embedded(data),
    }
    # In one pass, so that nothing within a part is taken for a place of another.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def embedded(data: Mapping[str, Any]) -> str:
    """JSON that can stand within a script element, whatever its texts are."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content_policy(*, live: bool) -> Policy:
    """The page's content security policy.

    Args:
        live: the page asks its own server for newer data.
    """
    rules = [
        "default-src 'none'",
        f"script-src '{_hash(_script())}'",
        f"style-src '{_hash(_style())}'",
        "img-src data:",
        "connect-src 'self'" if live else "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    # A page cannot say in itself who may frame it.
    return Policy("; ".join([*rules, "frame-ancestors 'none'"]), "; ".join(rules))


def _words(data: Mapping[str, Any]) -> str:
    """The sentences, for a reader whose browser runs no script."""
    paragraphs = []
    for run in data["runs"]:
        sentences = " ".join(sentence["text"] for sentence in run["words"])
        paragraphs.append(f"<h2>{html.escape(run['name'])}</h2><p>{html.escape(sentences)}</p>")
    return "".join(paragraphs)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@cache
def _script() -> str:
    body = "".join(_asset(name) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{body}}})();\n'


@cache
def _style() -> str:
    return _asset("page.css")


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
