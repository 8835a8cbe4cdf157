"""A widget's views end with their page, which may go without a word, and not while a cell keeps the kernel busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.views.past import past_sweep
from workbench import MLClient
from workbench.views import widget as widgets
from workbench.views.widget import JobWidget


class Page:
    """What the front end of a widget says and hears."""

    def __init__(self, widget: JobWidget, monkeypatch: pytest.MonkeyPatch) -> None:
        self.widget = widget
        self._heard: list[dict[str, Any]] = []
        self._news = threading.Condition()
        monkeypatch.setattr(widget, "send", self._take)

    def _take(self, message: dict[str, Any]) -> None:
        with self._news:
            self._heard.append(message)
            self._news.notify_all()

    def say(self, kind: str, view: str) -> None:
        self.widget._take(self.widget, {"type": kind, "view": view}, [])

    def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: any(wanted(message) for message in self._heard), 60), self._heard
            self._heard.clear()

    def sees_state(self, view: str) -> None:
        self.wait(lambda told: told["type"] == "view" and told["view"] == view and told["message"]["type"] == "state")


@pytest.fixture
def page(ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setattr(widgets._HEART, "keep", lambda widget: None)  # the test beats
    name = past_sweep(ml_client, tmp_path / "code", 3)
    widget = JobWidget(str(ml_client.workspace_folder), name)
    yield Page(widget, monkeypatch)
    widget.close()


def test_a_view_of_which_nothing_is_heard_ends_and_one_that_is_there_stays(page: Page) -> None:
    before = set(threading.enumerate())
    for view in ("closed", "open"):
        page.say("open", view)
        page.sees_state(view)
    assert page.widget.beat(100)
    page.wait(lambda told: told == {"type": "alive", "view": "closed"})
    page.say("here", "open")
    assert page.widget.beat(100)
    assert set(page.widget._sessions) == {"open"}
    assert not page.widget.beat(100), "that one is gone too"
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) == before


def test_time_in_which_a_cell_runs_does_not_count(page: Page) -> None:
    page.say("open", "view")
    for _ in range(100):
        assert page.widget.beat(0.0)


def test_a_page_that_has_slept_is_shown_everything_again(page: Page) -> None:
    page.say("open", "view")
    page.sees_state("view")
    page.widget.beat(1000)
    assert not page.widget.has_views
    page.say("here", "view")
    page.sees_state("view")


def test_one_thread_beats_for_all_widgets_and_ends_with_the_last_view(
    ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widgets, "_BEAT", 0.01)
    name = past_sweep(ml_client, tmp_path / "code", 3)
    before = set(threading.enumerate())
    pages = [Page(JobWidget(str(ml_client.workspace_folder), name), monkeypatch) for _ in range(2)]
    for index, page in enumerate(pages):
        page.say("open", str(index))
    for index, page in enumerate(pages):
        page.wait(lambda told, index=index: told == {"type": "alive", "view": str(index)})  # type: ignore[misc]
    assert [thread.name for thread in threading.enumerate()].count("workbench-widgets") == 1
    for index, page in enumerate(pages):
        page.say("close", str(index))
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) == before
