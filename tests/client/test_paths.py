"""Paths that lead nowhere: the message says where was looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench import Input, MLClient, command, load_job
from workbench.entities import Data
from workbench.errors import WorkbenchError


def test_a_relative_path_is_meant_from_the_current_folder(
    ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = f"Paths are relative to {tmp_path}"
    for job in (
        command(command="cat ${{inputs.data}}", inputs={"data": Input(type="uri_file", path="nowhere.csv")}),
        command(command="id", code="nowhere"),
    ):
        assert here in ml_client.jobs.validate(job)[0]
    with pytest.raises(WorkbenchError, match=here):
        ml_client.data.create_or_update(Data(name="digits", path="nowhere.csv"))


def test_a_path_in_yaml_is_not_said_to_be_meant_from_the_current_folder(ml_client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "job.yml"
    for fields in (
        "command: cat ${{inputs.data}}\ninputs: {data: {type: uri_file, path: ./nowhere}}\n",
        "command: id\ncode: ./nowhere\n",
        "notebook: ./nowhere\n",
    ):
        file.write_text(f"type: {'notebook' if 'notebook' in fields else 'command'}\n{fields}")
        (said,) = ml_client.jobs.validate(load_job(file))
        assert str(tmp_path / "there" / "nowhere") in said
        assert "relative" not in said
