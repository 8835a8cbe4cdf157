"""What a job remembers of its repository."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest

from workbench.tracking.git import DIFF_LIMIT, git_facts


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job goes without its facts where git takes two seconds, which on a machine that is busy it may."""
    monkeypatch.setattr("workbench.tracking.git._PATIENCE", 120.0)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init")
    (tmp_path / "train.py").write_text("lr = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "remote", "add", "origin", "git@example.com:me/digits.git")
    return tmp_path


def test_a_clean_repository(repository: Path) -> None:
    (repository / "src").mkdir()
    assert git_facts(repository / "src") == (
        {
            "mlflow.source.git.repoURL": "git@example.com:me/digits.git",
            "mlflow.source.git.branch": "main",
            "mlflow.source.git.commit": git(repository, "rev-parse", "HEAD"),
            "azureml.git.dirty": "False",
        },
        "",
    )


def test_changes_are_kept_up_to_a_limit(repository: Path) -> None:
    (repository / "train.py").write_text("lr = 2\n")
    properties, diff = git_facts(repository)
    assert properties["azureml.git.dirty"] == "True"
    assert "-lr = 1\n+lr = 2" in diff
    (repository / "train.py").write_text("x\n" * DIFF_LIMIT)
    assert len(git_facts(repository)[1]) == DIFF_LIMIT


def test_no_branch_and_no_commit(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    git(repository, "checkout", "--detach")
    assert "mlflow.source.git.branch" not in git_facts(repository)[0]
    new = tmp_path_factory.mktemp("new")
    git(new, "init")
    assert git_facts(new) == ({"mlflow.source.git.branch": "main", "azureml.git.dirty": "False"}, "")


@pytest.mark.parametrize("url", ["https://me:secret@example.com/x.git", "https://ghp_token@example.com/x.git"])
def test_a_url_with_credentials_is_dropped(repository: Path, url: str, caplog: pytest.LogCaptureFixture) -> None:
    git(repository, "remote", "set-url", "origin", url)
    with caplog.at_level(logging.WARNING):
        properties, _ = git_facts(repository)
    assert "mlflow.source.git.repoURL" not in properties
    assert "credentials" in caplog.text
    assert "secret" not in caplog.text


def test_variables_override(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZUREML_GIT_BRANCH", "release")
    monkeypatch.setenv("AZUREML_GIT_BUILD_ID", "42")
    properties, _ = git_facts(repository)
    assert properties["mlflow.source.git.branch"] == "release"
    assert properties["azureml.git.build_id"] == "42"


def test_no_repository_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_facts(tmp_path) == ({}, "")
    assert git_facts(tmp_path / "missing") == ({}, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_facts(tmp_path) == ({}, "")
