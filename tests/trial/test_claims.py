"""Who runs a trial: one at a time, and after a dead one only where there is something to go on with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.store.files import TrialFolder
from workbench.trial.claims import claim, claimed_by
from workbench.trial.processes import Identity

_CLAIM = (
    "import sys; from pathlib import Path; from workbench.store.files import TrialFolder; "
    "from workbench.trial.claims import claim; print(claim(TrialFolder(Path(sys.argv[1])), may_follow=True))"
)


@pytest.fixture
def folder(tmp_path: Path) -> TrialFolder:
    return TrialFolder(tmp_path)


def claimed_and_dead(folder: TrialFolder) -> str:
    """Let a process claim a trial that ends at once; return what it was told."""
    done = subprocess.run([sys.executable, "-c", _CLAIM, str(folder.root)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_nobody_follows_one_that_lives(folder: TrialFolder) -> None:
    assert claimed_by(folder) is None
    assert claim(folder, may_follow=True) == 0
    assert claimed_by(folder) == Identity.of(os.getpid())
    assert claimed_and_dead(folder) == "None"
    assert claimed_by(folder) == Identity.of(os.getpid())


def test_each_follows_the_dead_one_before_it(folder: TrialFolder) -> None:
    assert claimed_and_dead(folder) == "0"
    first = claimed_by(folder)
    assert claim(folder, may_follow=False) is None
    assert claimed_and_dead(folder) == "1"
    assert claimed_by(folder) not in (None, first)
    assert claim(folder, may_follow=True) == 2
    assert claimed_by(folder) == Identity.of(os.getpid())
    assert not list(folder.root.glob(".claim*"))


def test_nobody_follows_when_all_is_over(folder: TrialFolder) -> None:
    claimed_and_dead(folder)
    folder.exit.write_text("{}")
    assert claim(folder, may_follow=True) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"host": 7}', '{"host": {"pid": 1}}', '{"child": 3}'])
def test_what_others_have_written_there_is_nobody(folder: TrialFolder, text: str) -> None:
    folder.host.write_text(text)
    assert claimed_by(folder) is None
    assert claim(folder, may_follow=True) is None
