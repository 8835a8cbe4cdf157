"""Images of Dockerfiles that only BuildKit builds, by a real engine."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from workbench.environments.buildkit import what_needs_buildkit
from workbench.environments.cache import FailedBuildError
from workbench.environments.engine import address, connect, is_podman
from workbench.environments.images import build_image
from workbench.environments.output import Output
from workbench.environments.recipes import ImageRecipe


def build(folder: Path, dockerfile: str) -> tuple[str, list[str]]:
    """Build a folder; return the tag of the image and the steps that were told."""
    (folder / "Dockerfile").write_text(dockerfile)
    steps: list[str] = []
    recipe = ImageRecipe(context=str(folder), content=os.urandom(8).hex(), name="buildkit")
    return str(build_image(recipe, address(), Output(steps.append))["image"]), steps


def test_mounts_and_here_documents_are_built(base_image: str, tmp_path: Path) -> None:
    tag, steps = build(
        tmp_path,
        f"FROM {base_image}\nCOPY Dockerfile /there\nRUN --mount=type=cache,target=/kept <<EOF\n"
        "touch /kept/it\nls /kept > /seen\nEOF\n",
    )
    api = connect(address())
    try:
        made = api.create_container(tag, ["cat", "/seen"])["Id"]
        api.start(made)
        api.wait(made)
        assert api.logs(made) == b"it\n"
        assert api.inspect_image(tag)["Config"]["Labels"]["workbench"] == "buildkit"
        api.remove_container(made)
        if not is_podman(api):
            assert any(re.match(r"\[.*3/3\] RUN --mount", step) for step in steps), steps
    finally:
        api.remove_image(tag)


def test_its_failing_step_is_named_with_the_last_lines(base_image: str, tmp_path: Path) -> None:
    with pytest.raises(FailedBuildError) as failed:
        build(tmp_path, f"FROM {base_image}\nRUN --mount=type=tmpfs,target=/t echo the cause; exit 7\nRUN true\n")
    first, *rest = str(failed.value).splitlines()
    assert re.match(r"the environment could not be built: \[.*2/3\] RUN --mount=type=tmpfs,target=/t .* failed", first)
    assert any("the cause" in line for line in rest)
    assert "exit code: 7" in rest[-1]


def test_without_the_plug_in_it_says_what_to_install(
    base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FailedBuildError, match=r"RUN --mount in line 2 of Dockerfile can be built by BuildKit only.*"):
        build(tmp_path, f"FROM {base_image}\nRUN --mount=type=cache,target=/c true\n")


@pytest.mark.parametrize(
    ("dockerfile", "found"),
    [
        ("FROM x\nRUN --mount=type=cache,target=/c pip install y\n", "RUN --mount in line 2"),
        ("FROM x\ncopy --chown=1 --link a b\n", "COPY --link in line 2"),
        ("FROM x\n\nRUN <<EOF\n", "RUN <<EOF in line 3"),
        ("FROM x\nRUN python3 <<-'END'\n", "RUN <<-'END in line 2"),
        ("# syntax=docker/dockerfile:1\nFROM x\nCOPY --from=y --chown=1:1 a b\nRUN echo $((1<<n)) --mount\n", None),
        ("FROM x\n# RUN --mount=type=cache\nRUN program --mount=1\n", None),
    ],
)
def test_what_needs_buildkit(dockerfile: str, found: str | None) -> None:
    assert what_needs_buildkit(dockerfile) == found
