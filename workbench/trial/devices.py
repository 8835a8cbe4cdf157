"""What the driver says about the GPUs of this machine: which there are, how full they are, who uses them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from workbench.errors import NotFoundError
from workbench.store.files import read_json

__all__ = ["Devices", "FileDevices", "Gpu", "NvmlDevices", "RecordedDevices", "devices_from", "nvml_folder"]

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a MIG instance of one, as CUDA can be told to use it.

    Args:
        uuid: its name for good, which ``CUDA_VISIBLE_DEVICES`` understands.
        index: its number, or that of the GPU it is a part of, in the order of the bus.
        name: the model.
        memory: bytes in total.
        instance: number of the MIG instance on its GPU; None for a whole GPU.
    """

    uuid: str
    index: int
    name: str
    memory: int
    instance: int | None = None

    @property
    def label(self) -> str:
        """What people call it: ``GPU 0``, or ``GPU 0:1`` for a MIG instance."""
        return f"GPU {self.index}" if self.instance is None else f"GPU {self.index}:{self.instance}"


class Devices(Protocol):
    """Answers about GPUs as they are now."""

    def gpus(self) -> tuple[Gpu, ...]:
        """Return all devices, the lowest index first; none where there is no driver."""

    def memory(self, uuid: str) -> tuple[int, int]:
        """Return bytes used and bytes free of a device.

        Raises:
            NotFoundError: the driver does not show such a device (any more).
        """

    def processes(self, uuid: str) -> dict[int, int | None]:
        """Return the pids that use a device, each with its bytes where the driver tells them.

        Raises:
            NotFoundError: the driver does not show such a device (any more).
        """

    def busy(self, uuid: str) -> int | None:
        """Return for how many percent of the last moment a device computed; None where the driver does not tell.

        Raises:
            NotFoundError: the driver does not show such a device (any more).
        """


def devices_from(path: str | None, library: str | None = None) -> Devices:
    """Return who answers about GPUs.

    Args:
        path: a JSON file to believe instead of the driver; None for the driver.
        library: see :class:`NvmlDevices`.
    """
    return NvmlDevices(library) if path is None else FileDevices(Path(path))


def nvml_folder() -> str | None:
    """Return the folder from which this process imports ``pynvml``, for one that has no search path of its own."""
    found = importlib.util.find_spec("pynvml")
    return None if found is None or found.origin is None else str(Path(found.origin).parent)


class NvmlDevices:
    """The driver, asked through NVML.

    Nothing is loaded before the first question. No driver means no devices.

    Args:
        library: folder to import ``pynvml`` from where the search path does not lead to it.
    """

    def __init__(self, library: str | None = None) -> None:
        self._library = library
        self._module: Any = None
        self._ready = False

    def gpus(self) -> tuple[Gpu, ...]:
        """Return all devices; MIG instances in place of the GPU they are parts of."""
        return self._ask(lambda nvml: tuple(_list_gpus(nvml)), "any GPU", nothing=())

    def memory(self, uuid: str) -> tuple[int, int]:
        """Return bytes used and bytes free of a device."""

        def ask(nvml: Any) -> tuple[int, int]:
            facts = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByUUID(uuid))
            return int(facts.used), int(facts.free)

        return self._ask(ask, uuid)

    def processes(self, uuid: str) -> dict[int, int | None]:
        """Return the pids that compute or draw on a device, each with its bytes where the driver tells them."""
        return self._ask(lambda nvml: _list_processes(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid)), uuid)

    def busy(self, uuid: str) -> int | None:
        """Return for how many percent of the last moment a device computed; a MIG instance does not tell."""

        def ask(nvml: Any) -> int | None:
            try:
                return int(nvml.nvmlDeviceGetUtilizationRates(nvml.nvmlDeviceGetHandleByUUID(uuid)).gpu)
            except (nvml.NVMLError_NotSupported, nvml.NVMLError_InvalidArgument):
                return None

        return self._ask(ask, uuid)

    def _ask(self, question: Callable[[Any], _Answer], about: str, nothing: _Answer | None = None) -> _Answer:
        """Return the answer; the second try is for a driver that was loaded anew since the first."""
        nvml = self._nvml()
        try:
            try:
                return self._answer(nvml, question)
            except nvml.NVMLError:
                self._forget(nvml)
                return self._answer(nvml, question)
        except nvml.NVMLError as error:
            self._forget(nvml)
            if nothing is not None:
                return nothing
            raise NotFoundError(
                f"the driver does not answer for {about}: {error}",
                fix="See what nvidia-smi shows; a GPU that fell off the bus needs a restart of the machine",
            ) from error

    def _answer(self, nvml: Any, question: Callable[[Any], _Answer]) -> _Answer:
        if not self._ready:
            nvml.nvmlInit()
            self._ready = True
        return question(nvml)

    def _forget(self, nvml: Any) -> None:
        if not self._ready:
            return
        self._ready = False
        try:
            nvml.nvmlShutdown()
        except nvml.NVMLError:
            return  # it was the driver that went away

    def _nvml(self) -> Any:
        if self._module is None:
            if self._library is not None and importlib.util.find_spec("pynvml") is None:
                sys.path.append(self._library)
                try:
                    self._module = importlib.import_module("pynvml")
                finally:
                    sys.path.remove(self._library)
            else:
                self._module = importlib.import_module("pynvml")
        return self._module


def _list_gpus(nvml: Any) -> Iterator[Gpu]:
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            if _is_divided(nvml, handle):
                yield from _list_instances(nvml, handle, index)
            else:
                yield _describe(nvml, handle, index, None)
        except (nvml.NVMLError_GpuIsLost, nvml.NVMLError_ResetRequired, nvml.NVMLError_NoPermission):
            continue  # the others still work


def _is_divided(nvml: Any, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound):
        return False


def _list_instances(nvml: Any, parent: Any, index: int) -> Iterator[Gpu]:
    for instance in range(nvml.nvmlDeviceGetMaxMigDeviceCount(parent)):
        try:
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, instance)
        except (nvml.NVMLError_NotFound, nvml.NVMLError_InvalidArgument):
            continue  # room for an instance that was not made
        yield _describe(nvml, handle, index, instance)


def _describe(nvml: Any, handle: Any, index: int, instance: int | None) -> Gpu:
    return Gpu(
        uuid=nvml.nvmlDeviceGetUUID(handle),
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        memory=int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        instance=instance,
    )


def _list_processes(nvml: Any, handle: Any) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        try:
            listed = ask(handle)
        except nvml.NVMLError_NotSupported:
            continue  # a MIG instance does not draw
        for process in listed:
            # One that computes and draws is in both lists, with the same memory.
            found[process.pid] = found.get(process.pid) or process.usedGpuMemory
    return found


class RecordedDevices(ABC):
    """Devices that are written down instead of plugged in."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Return what is written down now.

        ``{"gpus": [{"uuid": …, "index": …, "instance": …, "name": …, "memory": bytes, "processes": {pid: bytes}}]}``;
        a process may have ``null`` for bytes, and a device ``"busy"`` in percent.
        """

    def gpus(self) -> tuple[Gpu, ...]:
        """Return all devices, the lowest index first."""
        found = (
            Gpu(one["uuid"], one["index"], one["name"], one["memory"], one.get("instance"))
            for one in self.record()["gpus"]
        )
        return tuple(sorted(found, key=lambda gpu: (gpu.index, gpu.instance or 0)))

    def memory(self, uuid: str) -> tuple[int, int]:
        """Return bytes used and bytes free of a device."""
        one = self._find(uuid)
        used = sum(size or 0 for size in one["processes"].values())
        return used, max(0, one["memory"] - used)

    def processes(self, uuid: str) -> dict[int, int | None]:
        """Return the pids that use a device, each with its bytes where known."""
        return {int(pid): size for pid, size in self._find(uuid)["processes"].items()}

    def busy(self, uuid: str) -> int | None:
        """Return for how many percent of the last moment a device computed, where that is written down."""
        percent: int | None = self._find(uuid).get("busy")
        return percent

    def _find(self, uuid: str) -> dict[str, Any]:
        gpus: list[dict[str, Any]] = self.record()["gpus"]
        for one in gpus:
            if one["uuid"] == uuid:
                return one
        raise NotFoundError(f"no GPU {uuid} is written down", fix="See gpus() for those that are")


class FileDevices(RecordedDevices):
    """Devices that a JSON file describes, read again at each question; no file means no driver.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self) -> dict[str, Any]:
        """Return what the file says now."""
        return read_json(self._path) or {"gpus": []}
