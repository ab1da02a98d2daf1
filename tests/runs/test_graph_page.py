"""The page and the picture of a run, in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mlxkit.runs.graph import RunGraph
from mlxkit.runs.graph_page import page
from mlxkit.runs.graph_svg import svg
from mlxkit.secrets import masking
from tests.fixtures.browser import Browser

from .graphs import HOSTILE, chain, diamond, fan, graph, step


def hostile() -> RunGraph:
    """A run whose every text is somebody else's."""
    failed = step(
        HOSTILE, ["load"], status="failed", error=HOSTILE, reason=HOSTILE, parameters={HOSTILE: HOSTILE},
        metadata={"experiment_tracker_url": "javascript:alert(1)"},
    )  # fmt: skip
    return graph(step("load"), failed, name=HOSTILE, error=HOSTILE, pipeline=HOSTILE, stack=HOSTILE)


def written(tmp_path: Path, of: RunGraph, **options: dict[str, str]) -> Path:
    path = tmp_path / "graph.html"
    path.write_text(page(of, **options), "utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_it_without_a_complaint_and_the_script_runs(
    browser: Browser, tmp_path: Path, dark: bool
) -> None:
    shown = browser.render(written(tmp_path, diamond()), dark=dark)
    assert shown.console == ()
    assert '<body class="live">' in shown.dom  # the script ran, by its hash
    assert shown.dom.count('class="step completed"') == 4


def test_others_words_are_text_and_nothing_else(browser: Browser, tmp_path: Path) -> None:
    shown = browser.render(written(tmp_path, hostile(), logs={HOSTILE: HOSTILE}))
    assert shown.console == ()
    assert "<img" not in shown.dom
    assert shown.dom.count("<script") == 1
    assert 'href="javascript' not in shown.dom
    assert "\x1b" not in shown.dom


def test_nothing_may_be_fetched_and_foreign_scripts_do_not_run(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, diamond())
    planted = '<script>document.title="planted"</script><img src="https://example.com/x.png"></main>'
    path.write_text(path.read_text("utf-8").replace("</main>", planted, 1), "utf-8")
    shown = browser.render(path)
    assert "<title>planted" not in shown.dom
    assert len([line for line in shown.console if "Content Security Policy" in line]) == 2


def test_the_policy_names_the_one_script_and_the_one_style() -> None:
    text = page(diamond())
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        [body] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "style=" not in text
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', text) == []


def test_a_step_leads_to_its_details_without_a_script() -> None:
    text = page(graph(step("load", reason="first run", parameters={"rows": 3}), step("fit", ["load"])))
    links = re.findall(r'<a href="#(s\d+)" aria-label=', text)
    sections = re.findall(r'<section id="(s\d+)">', text)
    assert links == sections == ["s0", "s1"]
    first = text[text.index('<section id="s0">') : text.index('<section id="s1">')]
    for told in ("first run", "rows", "1.25 s", "int, 3 B", 'href="#s1"'):
        assert told in first


def test_a_click_in_a_frame_shows_the_step_and_stays_in_the_page(browser: Browser, tmp_path: Path) -> None:
    """MLflow shows a page in a frame, where the address of a link may be that of the page around it."""
    script = """
        frame.onload = function () {
          var page = frame.contentDocument;
          function seen() {
            return [].map.call(page.querySelectorAll('aside section, aside .hint'), function (part) {
              return getComputedStyle(part).display === 'none' ? '-' : part.id || 'hint';
            }).join(' ');
          }
          var before = seen();
          page.querySelectorAll('svg a')[1].dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
          setTimeout(function () { document.title = before + ' | ' + seen(); }, 200);
        };
    """
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<!doctype html><title></title><iframe id="frame" srcdoc="{escape(page(diamond()))}"></iframe><script>{script}</script>',
        "utf-8",
    )
    shown = browser.render(outer)
    assert shown.console == ()
    assert "<title>hint - - - - | - - s1 - -</title>" in shown.dom


def test_the_details_of_a_failure_are_its_error_its_log_and_its_link() -> None:
    link = {"experiment_tracker_url": "https://tracker.example/#/experiments/1"}
    failed = step("fit", status="failed", error="Traceback\nValueError: no", metadata=link)
    text = page(graph(failed), logs={"fit": "epoch 1\nTraceback\nValueError: no\n"})
    assert text.count("ValueError: no") == 1  # a log that ends in the error does not say it again
    assert "epoch 1" in text
    assert (
        '<a href="https://tracker.example/#/experiments/1" target="_blank" rel="noopener noreferrer">' in text
    )


def test_secrets_are_masked_in_logs_too() -> None:
    masking.register("p&ss<word>1")
    text = page(graph(step("fit", status="failed", error="p&ss<word>1")), logs={"fit": "x p&ss<word>1 y"})
    assert "word&gt;1" not in text


def test_fifty_steps_are_a_small_page_and_a_thousand_are_not_a_large_one() -> None:
    steps = [
        step(f"step {chr(97 + i % 26)}{i // 26}x", parameters={"p": "v" * 80}, reason="first run")
        for i in range(50)
    ]
    assert len(page(graph(*steps)).encode()) < 200_000
    assert len(page(fan(1000)).encode()) < 200_000
    assert len(page(chain(1000)).encode()) < 200_000


def test_an_endless_error_is_cut() -> None:
    text = page(graph(step("fit", status="failed", error="x" * 1_000_000 + "the end")))
    assert len(text) < 50_000
    assert "the end" in text


@pytest.mark.parametrize("of", [diamond(), fan(40), hostile(), graph()])
def test_the_picture_is_xml_with_a_box_for_each_step(of: RunGraph) -> None:
    from mlxkit.runs.graph_fold import drawing

    root = ElementTree.fromstring("\n".join(svg(of)))
    boxes = [
        item
        for item in root.iter("{http://www.w3.org/2000/svg}g")
        if item.get("class", "").startswith("step ")
    ]
    assert len(boxes) == len(drawing(of).nodes)


def test_the_picture_alone_is_shown_without_a_complaint(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "graph.svg"
    path.write_text("\n".join(svg(hostile())), "utf-8")
    shown = browser.render(path)
    assert shown.console == ()
    assert "<parsererror" not in shown.dom
