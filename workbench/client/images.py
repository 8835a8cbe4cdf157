"""``ml_client.images``: the images that the workbench has made on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
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

    def prune(self, images: Collection[BuiltImage] | None = None) -> tuple[BuiltImage, ...]:
        """Remove those that no container uses, and return them; a job that needs one again builds it again.

        Args:
            images: only these; None for all.

        Raises:
            EngineError: no container engine answers, or it refuses.
        """
        wanted = None if images is None else {image.tag for image in images}
        with closing(connect(address())) as api:
            unused = [one for one in built_images(api) if not one.used and (wanted is None or one.tag in wanted)]
            for image in unused:
                remove_image(api, image)
        return tuple(unused)
