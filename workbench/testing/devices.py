"""GPUs that exist in memory only, and answer like the driver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.store.files import write_json
from workbench.trial.devices import Gpu, RecordedDevices

__all__ = ["GIB", "InMemoryDevices"]

GIB = 1 << 30  # bytes


class InMemoryDevices(RecordedDevices):
    """A machine's GPUs that can be plugged in, filled and pulled out at will."""

    def __init__(self) -> None:
        self._gpus: dict[str, dict[str, Any]] = {}
        self._added = 0

    def add(self, memory: int = 80 * GIB, name: str = "NVIDIA H100 80GB HBM3") -> Gpu:
        """Plug in a GPU and return it.

        Args:
            memory: bytes in total.
            name: the model.
        """
        index = self._added
        self._added += 1
        return self._put(Gpu(f"GPU-00000000-0000-0000-0000-{index:012}", index, name, memory))

    def divide(self, uuid: str, memories: Sequence[int]) -> tuple[Gpu, ...]:
        """Turn a GPU into MIG instances and return them; the GPU itself is then no longer shown.

        Args:
            uuid: of the GPU.
            memories: bytes of each instance.

        Raises:
            NotFoundError: there is no such GPU.
        """
        whole = self._find(uuid)
        del self._gpus[uuid]
        return tuple(
            self._put(
                Gpu(
                    uuid=f"MIG-{uuid.removeprefix('GPU-')[:-2]}{number:02}",
                    index=whole["index"],
                    name=f"{whole['name']} MIG {number}",
                    memory=memory,
                    instance=number,
                )
            )
            for number, memory in enumerate(memories)
        )

    def remove(self, uuid: str) -> None:
        """Pull a device out.

        Raises:
            NotFoundError: there is no such device.
        """
        self._find(uuid)
        del self._gpus[uuid]

    def start(self, uuid: str, pid: int, memory: int | None) -> None:
        """Let a process use a device.

        Args:
            uuid: of the device.
            pid: the process; one that is there already gets another size.
            memory: bytes; None where the driver would not tell.

        Raises:
            NotFoundError: there is no such device.
        """
        self._find(uuid)["processes"][str(pid)] = memory

    def stop(self, uuid: str, pid: int) -> None:
        """Let a process leave a device; nothing happens when it is not there.

        Raises:
            NotFoundError: there is no such device.
        """
        self._find(uuid)["processes"].pop(str(pid), None)

    def load(self, uuid: str, percent: int | None) -> None:
        """Say how busy a device is; None where the driver would not tell.

        Raises:
            NotFoundError: there is no such device.
        """
        self._find(uuid)["busy"] = percent

    def record(self) -> dict[str, Any]:
        """Return everything as :class:`workbench.trial.devices.FileDevices` reads it."""
        return {"gpus": list(self._gpus.values())}

    def write(self, path: Path) -> None:
        """Write everything to ``path``, whole or not at all, for other processes to read.

        Raises:
            OSError: the file cannot be written.
        """
        write_json(path, self.record())

    def _put(self, gpu: Gpu) -> Gpu:
        self._gpus[gpu.uuid] = {
            "uuid": gpu.uuid,
            "index": gpu.index,
            "instance": gpu.instance,
            "name": gpu.name,
            "memory": gpu.memory,
            "processes": {},
        }
        return gpu
