"""Images: built or fetched through the engine, named by their content, labelled as ours."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.environments.buildkit import build_with_buildkit, what_needs_buildkit
from workbench.environments.cache import FailedBuildError
from workbench.environments.engine import DISK_FULL, LABEL, connect, is_disk_full, is_podman
from workbench.environments.output import Output
from workbench.environments.recipes import ImageRecipe
from workbench.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["BuiltImage", "build_image", "built_images", "remove_image"]

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY")  # the engine keeps none of them
_PLACE = "/opt/workbench"
_MICROMAMBA = "https://micro.mamba.pm/api/micromamba/linux-64/latest"

_HEAD = """set -e
cd {place}
"""
_FIND_PYTHON = """python=$(command -v python3 || command -v python) || {{
  echo "the image {image} has no Python to install packages for; use one that has, such as python:3.12-slim"; exit 1; }}
"""
_CHECK_PYTHON = """"$python" -c 'import sys; sys.exit(not sys.version.startswith(("{python}.", "{python} ")))' || {{
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
  fetch() {{ curl -fsSL {url} || wget -qO- {url}; }}
  fetch > micromamba.tar.bz2 && tar -xjf micromamba.tar.bz2 --strip-components=1 bin/micromamba || {{
    echo "only conda can install {packages}, and there is no conda: {image} has none, and micromamba could not be" \\
      "fetched from {url}; take an image with conda, or install micromamba on this machine"; exit 1; }}
  conda=./micromamba
}}
"$conda" create --yes --prefix {place}/env --file conda-packages.txt {channels} || {{
  echo "conda could not install {packages} from {sources}; check their names, and that the channel can be reached"
  exit 1; }}
"""


def build_image(recipe: ImageRecipe, engine: str, output: Output) -> Mapping[str, Any]:
    """Make the image of ``recipe``, or see that it is there, and return its facts.

    Raises:
        FailedBuildError: the engine could not; the message has the step and the last lines.
    """
    from docker.errors import APIError, DockerException  # noqa: PLC0415

    try:
        api = connect(engine)
        if recipe.is_built and not _is_there(api, recipe.tag):
            _build(api, recipe, engine, output)
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
        environment: of which environment.
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
    images = api.images(filters={"label": LABEL, "dangling": False})
    for image in sorted(images, key=lambda image: -image["Created"]):
        for tag in image.get("RepoTags") or ():
            yield BuiltImage(
                tag=tag.removeprefix("docker.io/"),  # as Podman completes it
                environment=image["Labels"][LABEL],
                created=float(image["Created"]),
                size=int(image["Size"]),
                used=image["Id"] in used,
            )


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


def _build(api: APIClient, recipe: ImageRecipe, engine: str, output: Output) -> None:
    files, dockerfile = _context(recipe)
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
    for event in stream:
        for line in str(event.get("stream") or event.get("status") or "").splitlines():
            if line.startswith(("Step ", "STEP ")):  # Docker, Podman
                output.begin(line)
            if line.strip():
                output.line(line)
        if "error" in event:
            output.line(str(event["error"]))
            raise output.failed(f"failed: {DISK_FULL}" if is_disk_full(str(event["error"])) else "failed")


_Files = Iterable[tuple[str, Path | bytes, int]]


def _context(recipe: ImageRecipe) -> tuple[_Files, str]:
    """Return the files that a build gets, with their permissions, and which of them is the Dockerfile."""
    if recipe.context is None:
        return list(_generated(recipe)), "Dockerfile"
    from docker.utils.build import exclude_paths  # noqa: PLC0415

    root = Path(recipe.context)
    ignore = root / ".dockerignore"
    patterns = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
    paths = sorted(exclude_paths(str(root), patterns, dockerfile=recipe.dockerfile))
    # A snapshot is read-only; what a build copies from it need not be.
    files = [(path, root / path, (root / path).stat().st_mode | stat.S_IWUSR) for path in paths]
    return [one for one in files if one[1].is_file()], recipe.dockerfile


def _generated(recipe: ImageRecipe) -> Iterator[tuple[str, bytes, int]]:
    """Yield the files of a build that installs packages into an image."""
    words = {
        "place": _PLACE,
        "image": recipe.image,
        "python": recipe.python,
        "packages": ", ".join(recipe.conda),
        "sources": ", ".join(recipe.channels) or "the default channels",
        "channels": " ".join(f"--channel {channel}" for channel in recipe.channels),
        "url": _MICROMAMBA,
    }
    parts: Sequence[str] = (
        [_CONDA] if recipe.conda else [_FIND_PYTHON, *([_CHECK_PYTHON] if recipe.python else []), _PIP]
    )
    parts = [_HEAD, *parts, *([_PIP_INSTALL] if recipe.pip else [])]
    conda = [*recipe.conda, f"python={recipe.python}" if recipe.python else "python", "pip"]
    mine = shutil.which("micromamba") if recipe.conda else None
    if mine:
        yield "micromamba", Path(mine).read_bytes(), 0o755
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
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    packed.seek(0)
    return packed
