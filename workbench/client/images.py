"""``ml_client.images``: the images that the workbench has made on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from workbench.environments.engine import address, connect
from workbench.environments.images import BuiltImage, built_images, remove_image

__all__ = ["ImageOperations"]


class ImageOperations:
    """Images of environments, of all workspaces: the engine is the machine's. Others are neither shown nor touched."""

    def list(self) -> Iterator[BuiltImage]:
        """Yield them, newest first.

        Raises:
            EngineError: no container engine answers.
        """
        with closing(connect(address())) as api:
            yield from tuple(built_images(api))

    def prune(self) -> tuple[BuiltImage, ...]:
        """Remove those that no container uses, and return them; a job that needs one again builds it again.

        Raises:
            EngineError: no container engine answers, or it refuses.
        """
        with closing(connect(address())) as api:
            unused = tuple(image for image in built_images(api) if not image.used)
            for image in unused:
                remove_image(api, image)
        return unused
