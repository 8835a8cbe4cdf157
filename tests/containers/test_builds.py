"""Images built by a real engine: what they hold, what a build leaves, and Dockerfiles that only BuildKit builds."""

from __future__ import annotations

import io
import os
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from workbench.client.images import ImageOperations
from workbench.environments.buildkit import what_needs_buildkit
from workbench.environments.cache import Cache, FailedBuildError
from workbench.environments.engine import address, connect, is_podman
from workbench.environments.images import build_image
from workbench.environments.output import Output
from workbench.environments.recipes import ImageRecipe


def build(folder: Path, dockerfile: str) -> tuple[str, list[str]]:
    """Build a folder; return the tag of the image and the steps that were told."""
    (folder / "Dockerfile").write_text(dockerfile)
    return build_recipe(folder, ImageRecipe(context=str(folder), content=os.urandom(8).hex(), name="buildkit"))


def build_recipe(folder: Path, recipe: ImageRecipe) -> tuple[str, list[str]]:
    """Build what a recipe says; return the tag of the image and the steps that were told."""
    steps: list[str] = []
    return str(build_image(recipe, Cache(folder, "image"), address(), Output(steps.append))["image"]), steps


def layers_of(mark: str) -> list[dict[str, Any]]:
    """Return the images that have run a step in which a mark stands, those between two steps too."""
    with closing(connect(address())) as api:
        images = api.images(all=True)
        return [one for one in images if any(mark in step["CreatedBy"] for step in api.history(one["Id"]))]


def test_what_others_make_of_our_images_is_theirs(base_image: str, tmp_path: Path) -> None:
    mark = os.urandom(4).hex()
    tag, _ = build(tmp_path, f"FROM {base_image}\nENV MARK={mark}\n")
    api = connect(address())
    theirs = [f"theirs-{mark}:{name}" for name in ("built", "named")]
    list(api.build(fileobj=io.BytesIO(f"FROM {tag}\nENV THEIRS=1\n".encode()), tag=theirs[0], rm=True))
    api.tag(tag, *theirs[1].split(":"))
    try:
        shown = [image for image in ImageOperations().list() if mark in str(api.inspect_image(image.tag))]
        assert [image.tag for image in shown] == [tag]
        assert ImageOperations().prune(shown) == tuple(shown)
        left = {name for image in layers_of(mark) for name in image["RepoTags"] or ()}
        assert left == set(theirs)
    finally:
        for name in theirs:
            api.remove_image(name)
    assert layers_of(mark) == []


def test_what_a_failed_build_leaves_is_used_by_the_next_and_pruned(
    base_image: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mark = os.urandom(4).hex()
    made = f"FROM {base_image} AS first\nRUN echo {mark}1 > /1\nFROM {base_image}\nRUN echo {mark}2 > /2\n"
    with pytest.raises(FailedBuildError):
        build(tmp_path, f"{made}RUN false\n")
    if is_podman(connect(address())):
        return  # what its builds leave is for its own prune
    ours = {name for image in layers_of(mark) for name in image["RepoTags"] or ()}
    kept = [image for image in ImageOperations().list() if image.tag in ours]
    assert {image.environment for image in kept} == {"kept for the next build"}
    assert len(kept) == 2, "one for each stage"
    capfd.readouterr()
    tag, _ = build(tmp_path, made)
    assert capfd.readouterr().out.count(" ---> Using cache\n") == 2
    pruned = ImageOperations().prune([*kept, *(image for image in ImageOperations().list() if image.tag == tag)])
    assert {image.tag for image in pruned} == {tag, *(image.tag for image in kept)}
    assert layers_of(mark) == []


def test_files_have_a_time_that_archives_can_tell(base_image: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(os.urandom(4).hex())
    packs = "import zipfile; zipfile.ZipFile('/x.zip', 'w').write('/file')"
    tag, _ = build(tmp_path, f'FROM {base_image}\nCOPY file /file\nRUN TZ=HST10 python3 -c "{packs}"\n')
    connect(address()).remove_image(tag)


def test_conda_needs_nothing_of_the_image(base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = ImageRecipe(image=base_image, conda=(f"scipy={os.urandom(4).hex()}",), channels=("one",), python=">=3.9")
    makes_it = (
        f"#!/bin/sh\necho asked for: $*\npython3 -m venv --without-pip {'$4'}\ncp conda-packages.txt {'$4'}/asked\n"
    )
    monkeypatch.setattr("workbench.environments.micromamba._fetched", lambda _: makes_it.encode())
    tag, steps = build_recipe(tmp_path, recipe)
    api = connect(address())
    made = api.create_container(tag, ["cat", "/opt/workbench/env/asked"])["Id"]
    try:
        api.start(made)
        api.wait(made)
        assert api.logs(made).decode().splitlines() == [*recipe.conda, "python>=3.9", "pip"]
        assert steps[0] == "looking for micromamba"
    finally:
        api.remove_container(made)
        api.remove_image(tag)


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
