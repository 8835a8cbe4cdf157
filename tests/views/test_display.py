"""What a submitted job is as an output: a widget, a reference for JupyterLab, and HTML for whoever has neither."""

from __future__ import annotations

import re

import nbformat
from nbconvert import HTMLExporter

from tests.views.past import output_of
from workbench import MLClient, command
from workbench.views.display import MIME_TYPE, bundle
from workbench.views.facts import JobFacts


def test_an_output_is_a_widget_a_reference_and_html_without_scripts(past: JobFacts, ml_client: MLClient) -> None:
    found = bundle(ml_client.jobs.get(past.name))
    assert isinstance(found, tuple)
    data, _ = found
    assert data[MIME_TYPE] == {"name": past.name, "workspace": str(ml_client.workspace_folder)}
    assert re.fullmatch(r"\w{8,}", data["application/vnd.jupyter.widget-view+json"]["model_id"])
    assert "workbench-snapshot" in data["text/html"]
    assert not re.search(r"<script|\bon\w+=|javascript:", data["text/html"])
    assert data["text/plain"] == f"{past.name}: Completed"
    assert bundle(command(command="true")) == {}, "what was not submitted shows itself as ever"


def test_a_notebook_as_html_shows_the_last_state(past: JobFacts, ml_client: MLClient) -> None:
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("sweep", outputs=[output_of(ml_client, past.name)])]
    )
    page, _ = HTMLExporter().from_notebook_node(book)  # type: ignore[no-untyped-call]
    shown = page[page.index('class="workbench-snapshot') :]
    assert f"★ {past.header()['best']['number']}" in shown
    assert "data:image/svg+xml;base64," in shown
