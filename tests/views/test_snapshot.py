"""A snapshot says how things stand, and runs nothing."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

from workbench import MLClient
from workbench.store.records import Point
from workbench.views.facts import Axis, JobFacts
from workbench.views.snapshot import job_snapshot


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def pictures(html: str) -> list[ElementTree.Element]:
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    return [ElementTree.fromstring(base64.b64decode(picture)) for picture in found]


def test_a_sweep_shows_its_best_trials_and_a_picture(past: JobFacts) -> None:
    html = job_snapshot(past)
    page = Page()
    page.feed(html)
    assert "script" not in page.tags
    assert page.tags.count("tr") == 21
    assert "and 10 more trials" in page.text
    assert f"★ {past.header()['best']['number']}" in page.text
    svg, progress = pictures(html)
    (steps,) = (element for element in progress if element.tag.endswith("polyline"))
    heights = [float(point.split(",")[1]) for point in steps.attrib["points"].split()]
    assert heights == sorted(heights, reverse=True), "the best so far never gets worse"
    assert len([element for element in progress if element.tag.endswith("circle")]) == 26
    lines = [element for element in svg if element.tag.endswith("polyline")]
    assert len(lines) == 26
    assert len(lines[-1].attrib["points"].split()) == 4, "three parameters and the metric; the best one on top"


def test_a_job_shows_its_metrics_as_lines_of_bounded_size(past: JobFacts, ml_client: MLClient) -> None:
    name = past.rows()[0]["name"]
    with ml_client.context.store.write() as writer:
        writer.add_points(
            [Point(name, f"metric<{key}>", math.sin(step / 50), step, step) for key in range(9) for step in range(1000)]
        )
        writer.add_points([Point(name, "accuracy", math.nan, 9, 9)])
    html = job_snapshot(JobFacts(ml_client.context.store, ml_client.context.workspace, name))
    (svg,) = pictures(html)
    lines = [element for element in svg if element.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [5, 200, 200, 200, 200]
    assert len({(line.attrib["stroke"], line.attrib["stroke-dasharray"]) for line in lines}) == 5
    assert "metric<0>, -1 to 1" in "".join(element.text or "" for element in svg)
    assert "the first 6 of 11 metrics" in html
    assert len(html) < 40_000


def test_text_of_users_stays_text(past: JobFacts, ml_client: MLClient) -> None:
    with ml_client.context.store.write() as writer:
        writer.update_job(past.name, display_name="<script>alert(1)</script>")
    past.refresh()
    assert "<script>" not in job_snapshot(past)
    assert "&lt;script&gt;" in job_snapshot(past)


def test_what_has_no_room_is_shortened(past: JobFacts) -> None:
    long = "the_learning_rate_of_the_second_optimizer_group"
    past.axes = (Axis(long, "linear"), *past.axes, *(Axis(f"width{index}", "linear") for index in range(10)))
    best = past.trials[past.best or ""]
    past.trials[best.name] = replace(best, score=905730.4, reason="because " * 20, ended=(best.started or 0) + 9960)
    html = job_snapshot(past)
    assert "the first 8 of 14 parameters" in html
    assert "<b>905730</b>" in html
    assert "2:46 h" in html
    assert f"{('because ' * 20)[:89]}…" in html
    titles = [element.text for element in pictures(html)[0] if element.text]
    assert "the_l…group" in titles
    assert max(len(title) for title in titles) <= 11
