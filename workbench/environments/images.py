"""Images: built or fetched through the engine, named by their content, labelled as ours."""

from __future__ import annotations

import io
import os
import re
import shlex
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.environments.buildkit import build_with_buildkit, what_needs_buildkit
from workbench.environments.cache import Cache, FailedBuildError
from workbench.environments.engine import DISK_FULL, LABEL, connect, is_disk_full, is_podman
from workbench.environments.micromamba import UnreachableError, micromamba
from workbench.environments.output import Output
from workbench.environments.recipes import ImageRecipe, tag_of
from workbench.environments.versions import ANY, as_expression
from workbench.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["BuiltImage", "build_image", "built_images", "remove_image"]

_MADE = 946684800  # 2000-01-01, for all files: a time decides nothing, but archives cannot tell of any before 1980
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY")  # the engine keeps none of them
_KEPT = "workbench/build-cache"
_KEPT_FOR = "kept for the next build"
_LAYER = re.compile(r" ---> ([0-9a-f]{12,64})")  # Docker's words: what Podman's builds leave is for its own prune
_PLACE = "/opt/workbench"

_HEAD = """set -e
cd {place}
"""
_FIND_PYTHON = """python=$(command -v python3 || command -v python) || {{
  echo "the image {image} has no Python to install packages for; use one that has, such as python:3.12-slim"; exit 1; }}
"""
_CHECK_PYTHON = """"$python" -c 'import sys; v = sys.version_info[:3]; sys.exit(not ({is_asked_for}))' || {{
  echo "the conda file asks for Python {python}, and the image {image} has $("$python" -V 2>&1);" \\
    "take an image with that version, or leave the version out"; exit 1; }}
"""
_PIP = """"$python" -m venv {place}/env || {{
  echo "the Python of {image} cannot make virtual environments; its package for that is python3-venv"; exit 1; }}
"""
# pip compiles one file after the other, which takes most of its time; a file that cannot be compiled is not imported.
_PIP_INSTALL = """env/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \\
  -r requirements.txt
env/bin/python -m compileall -qq -j 0 env/lib || true
"""
_CONDA = """conda=$(command -v ./micromamba || command -v micromamba || command -v mamba || command -v conda) || {{
  echo "only conda can install {packages}, and there is no conda: {image} has none, and micromamba is not on this" \\
    "machine:"{why_not}"; take an image with conda, or install micromamba here"; exit 1; }}
"$conda" create --yes --prefix {place}/env --file conda-packages.txt {channels} || {{
  echo "conda could not install {packages} from {sources}; check their names, and that the channel can be reached"
  exit 1; }}
"""


def build_image(recipe: ImageRecipe, store: Cache, engine: str, output: Output) -> Mapping[str, Any]:
    """Make the image of ``recipe``, or see that it is there, and return its facts.

    Raises:
        FailedBuildError: the engine could not; the message has the step and the last lines.
    """
    from docker.errors import APIError, DockerException  # noqa: PLC0415

    try:
        api = connect(engine)
        if recipe.is_built and not _is_there(api, recipe.tag):
            _build(api, recipe, store, engine, output)
        elif not recipe.is_built and not _is_there(api, recipe.tag):
            _pull(api, recipe.tag, output)
        found = api.inspect_image(recipe.tag)
    except EngineError as error:
        raise FailedBuildError(str(error)) from error
    except APIError as error:
        said = str(error.explanation or error)
        raise output.failed(f"failed: {DISK_FULL}\n{said}" if is_disk_full(said) else f"failed: {said}") from error
    except DockerException as error:
        raise output.failed(f"failed: {error}") from error
    return {"image": recipe.tag, "id": found["Id"]}


@dataclass(frozen=True)
class BuiltImage:
    """An image that the workbench has made.

    Args:
        tag: what the engine knows it by.
        environment: of which environment, or that the next build goes on from it.
        created: seconds since the epoch.
        size: bytes, with what it shares with others.
        used: whether a container uses it, running or not.
    """

    tag: str
    environment: str
    created: float
    size: int
    used: bool


def built_images(api: APIClient) -> Iterator[BuiltImage]:
    """Yield the images that the workbench has made, newest first."""
    used = {container["ImageID"] for container in api.containers(all=True)}
    images = api.images(filters={"dangling": False})
    for image in sorted(images, key=lambda image: -image["Created"]):
        for name in image.get("RepoTags") or ():
            tag = name.removeprefix("docker.io/")  # as Podman completes it
            if (environment := _environment_of(tag, image.get("Labels") or {})) is not None:
                yield BuiltImage(
                    tag=tag,
                    environment=environment,
                    created=float(image["Created"]),
                    size=int(image["Size"]),
                    used=image["Id"] in used,
                )


def _environment_of(tag: str, labels: Mapping[str, str]) -> str | None:
    """Return the environment of an image that the workbench has made and named; None for one of others.

    The label alone tells nothing: what others build from our images inherits it, and other names of ours are theirs.
    """
    if tag.startswith(f"{_KEPT}:"):
        return _KEPT_FOR
    if LABEL in labels and tag == tag_of(labels.get(f"{LABEL}.key", "")):
        return labels[LABEL]
    return None


def remove_image(api: APIClient, image: BuiltImage) -> None:
    """Remove an image that the workbench has made and nothing uses.

    Raises:
        EngineError: the engine refuses.
    """
    from docker.errors import APIError  # noqa: PLC0415

    try:
        api.remove_image(image.tag)
    except APIError as error:
        raise EngineError(f"it cannot be removed: {error.explanation or error}", image.tag) from error


def _is_there(api: APIClient, tag: str) -> bool:
    from docker.errors import ImageNotFound  # noqa: PLC0415

    try:
        api.inspect_image(tag)
    except ImageNotFound:
        return False
    return True


def _pull(api: APIClient, image: str, output: Output) -> None:
    from docker.errors import APIError, NotFound  # noqa: PLC0415

    output.begin(f"fetching the image {image}")
    repository, tag = _repository_and_tag(image)
    try:
        for event in api.pull(repository, tag=tag, stream=True, decode=True):
            if "error" in event:
                output.line(str(event["error"]))
                raise output.failed(
                    "failed: it is not on this machine, and no registry gave it; check its name, or fetch it yourself "
                    f"with: docker pull {image}"
                )
            if "progress" not in event:
                output.line(" ".join(str(event[key]) for key in ("id", "status") if event.get(key)))
    except NotFound as error:
        raise output.failed(f"failed: there is no such image; check its name ({error.explanation})") from error
    except APIError as error:
        raise output.failed(
            f"failed: it is not on this machine, and no registry gave it; fetch it yourself with: docker pull {image}\n"
            f"{error.explanation or error}"
        ) from error


def _repository_and_tag(image: str) -> tuple[str, str | None]:
    if "@" in image:
        return image, None
    repository, colon, tag = image.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (image, "latest")


def _build(api: APIClient, recipe: ImageRecipe, store: Cache, engine: str, output: Output) -> None:
    files, dockerfile = _context(recipe, store, output)
    labels = {LABEL: recipe.name, f"{LABEL}.key": recipe.key}
    buildargs = {name: os.environ[name] for proxy in _PROXIES for name in (proxy, proxy.lower()) if name in os.environ}
    if recipe.context is not None and not is_podman(api):  # Podman builds all of it in one way
        why = what_needs_buildkit((Path(recipe.context) / dockerfile).read_text(errors="replace"))
        if why is not None:
            with tempfile.TemporaryFile() as packed:
                packed.write(_packed(files).getbuffer())
                packed.seek(0)
                build_with_buildkit(
                    packed,
                    dockerfile=dockerfile,
                    tag=recipe.tag,
                    labels=labels,
                    buildargs=buildargs,
                    engine=engine,
                    why=why,
                    output=output,
                )
            return
    output.begin("sending the files to the engine")
    stream = api.build(
        fileobj=_packed(files),
        custom_context=True,
        dockerfile=dockerfile,
        tag=recipe.tag,
        labels=labels,
        buildargs=buildargs,
        rm=True,
        forcerm=True,
        decode=True,
    )
    layers = _Layers(api, recipe.key)
    for event in stream:
        for line in str(event.get("stream") or event.get("status") or "").splitlines():
            layers.told(line)
            if line.startswith(("Step ", "STEP ")):  # Docker, Podman
                output.begin(line)
            if line.strip():
                output.line(line)
        if "error" in event:
            output.line(str(event["error"]))
            raise output.failed(f"failed: {DISK_FULL}" if is_disk_full(str(event["error"])) else "failed")
    layers.done()


class _Layers:
    """Names for the layers that a build has made so far: however it ends, what it leaves is seen and can be removed.

    They are not removed when it fails: the next build, with its mistake repaired, goes on from there.

    Args:
        api: the engine.
        key: of the recipe.
    """

    def __init__(self, api: APIClient, key: str) -> None:
        self._api = api
        self._key = key
        self._stage = 0
        self._is_ours = False

    def told(self, line: str) -> None:
        """Take in a line of what the engine says."""
        if line.startswith("Step "):
            is_from = " : FROM " in line.upper()
            self._stage += is_from
            self._is_ours = not is_from
        elif line == " ---> Using cache":
            self._is_ours = False  # whoever made it, it has been there
        elif self._is_ours and (layer := _LAYER.fullmatch(line)):
            with suppress(*_refusals()):
                self._api.tag(layer[1], _KEPT, self._tag)

    def done(self) -> None:
        """The last stage is the image."""
        with suppress(*_refusals()):
            self._api.remove_image(f"{_KEPT}:{self._tag}", noprune=True)

    @property
    def _tag(self) -> str:
        return f"{self._key[:32]}-{self._stage}"


def _refusals() -> tuple[type[Exception], ...]:
    from docker.errors import DockerException  # noqa: PLC0415

    return DockerException, OSError


_Files = Iterable[tuple[str, Path | bytes, int]]


def _context(recipe: ImageRecipe, store: Cache, output: Output) -> tuple[_Files, str]:
    """Return the files that a build gets, with their permissions, and which of them is the Dockerfile."""
    if recipe.context is None:
        return list(_generated(recipe, store, output)), "Dockerfile"
    from docker.utils.build import exclude_paths  # noqa: PLC0415

    root = Path(recipe.context)
    ignore = root / ".dockerignore"
    patterns = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
    paths = sorted(exclude_paths(str(root), patterns, dockerfile=recipe.dockerfile))
    # A snapshot is read-only; what a build copies from it need not be.
    files = [(path, root / path, (root / path).stat().st_mode | stat.S_IWUSR) for path in paths]
    return [one for one in files if one[1].is_file()], recipe.dockerfile


def _generated(recipe: ImageRecipe, store: Cache, output: Output) -> Iterator[tuple[str, Path | bytes, int]]:
    """Yield the files of a build that installs packages into an image."""
    why_not = ""
    if recipe.conda:
        output.begin("looking for micromamba")
        try:
            yield "micromamba", micromamba(store.folder), 0o755
        except UnreachableError as error:
            why_not = str(error)  # the image may have a conda of its own
    words = {
        "place": _PLACE,
        "image": recipe.image,
        "python": recipe.python,
        "is_asked_for": as_expression(recipe.python or ANY),
        "packages": ", ".join(recipe.conda),
        "sources": ", ".join(recipe.channels) or "the default channels",
        "channels": " ".join(f"--channel {channel}" for channel in recipe.channels),
        "why_not": shlex.quote(f" {why_not}"),
    }
    parts: Sequence[str] = (
        [_CONDA] if recipe.conda else [_FIND_PYTHON, *([_CHECK_PYTHON] if recipe.python else []), _PIP]
    )
    parts = [_HEAD, *parts, *([_PIP_INSTALL] if recipe.pip else [])]
    python = recipe.python or ANY
    conda = [*recipe.conda, f"python={python}" if python[:1].isdigit() else f"python{python}", "pip"]
    yield "install.sh", "".join(parts).format(**words).encode(), 0o644
    yield "requirements.txt", "".join(f"{line}\n" for line in recipe.pip).encode(), 0o644
    yield "conda-packages.txt", "".join(f"{line}\n" for line in conda).encode(), 0o644
    yield (
        "Dockerfile",
        f"FROM {recipe.image}\nUSER root\nCOPY . {_PLACE}/\nRUN sh {_PLACE}/install.sh\n"
        f"ENV PATH={_PLACE}/env/bin:$PATH\n".encode(),
        0o644,
    )


def _packed(files: _Files) -> io.BytesIO:
    """Return files as the engine wants them; equal files give equal bytes, for its cache goes by that."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content, mode in files:
            entry = tarfile.TarInfo(name)
            entry.mode = stat.S_IMODE(mode)
            entry.mtime = _MADE
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    packed.seek(0)
    return packed
