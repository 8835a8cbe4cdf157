"""``%%sweep`` and ``%%job``: the cell is the trial."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from workbench.client.submission import differences
from workbench.definition.records import AnyJob
from workbench.definition.sweep import Sweep
from workbench.errors import ValidationException
from workbench.magics.dry_run import DryRun
from workbench.magics.session import Session, readable
from workbench.views.builder.cell import from_cell
from workbench.views.builder.line import make_parser, read_line, split_line

__all__ = ["CellMagics"]


@magics_class
class CellMagics(Magics):
    """The magics of a cell.

    Args:
        shell: IPython's.
    """

    def __init__(self, shell: Any = None, **options: Any) -> None:
        super().__init__(shell, **options)
        self.session = Session(shell)

    @no_var_expand
    @line_cell_magic
    def sweep(self, line: str, cell: str | None = None) -> Any:  # noqa: D102 - below, from its options
        return self._run("%%sweep", line, cell)

    @no_var_expand
    @line_cell_magic
    def job(self, line: str, cell: str | None = None) -> Any:  # noqa: D102 - below, from its options
        return self._run("%%job", line, cell)

    def _run(self, magic: str, line: str, cell: str | None = None) -> Any:
        with readable(traceback="--traceback" in line.split()):
            if cell is None or {"-h", "--help", "?"} & set(split_line(line)):
                print(make_parser(magic).format_help())  # noqa: T201
                return None
            options = read_line(line, magic)
            self.session.handed = []
            job = from_cell(f"{magic} {line}\n{cell}", self.session.place()).to_job()
            _check_swept(job)
            self._tell_handed()
            if options.dry_run:
                return DryRun(job, self.session.client.jobs.preview(job))
            return self._submit(job, wait=options.wait)

    def _submit(self, job: AnyJob, *, wait: bool) -> AnyJob:
        client = self.session.client
        submitted = self._there_already(job) or client.jobs.create_or_update(job)
        name = str(submitted.name)
        Session.last = name
        if wait:
            client.jobs.stream(name)
            return client.jobs.get(name)
        return submitted

    def _there_already(self, job: AnyJob) -> AnyJob | None:
        """Return the job that an earlier run of the same cell has submitted, in this kernel or another.

        Raises:
            ValidationException: the job of that name is another one.
        """
        client = self.session.client
        record = client.context.store.job(job.name) if job.name else None
        if record is None or record.parent is not None:
            return None
        if differing := differences(job, record, client.context):
            raise ValidationException(
                f"a job named {record.name!r} exists already, and differs from this cell in {', '.join(differing)}",
                "name",
                "Choose another name, or leave it out",
            )
        print(  # noqa: T201
            f"{record.name} is there already ({record.status}), and was not started anew: "
            f"for that write %wb rerun {record.name}, or another --name"
        )
        return client.jobs.get(record.name)

    def _tell_handed(self) -> None:
        for one in self.session.handed:
            how = "stored" if one.fresh else "stored before"
            print(f"{one.name}: {_size_text(one.size)}, {how}")  # noqa: T201


for _magic in (CellMagics.sweep, CellMagics.job):
    _magic.__doc__ = make_parser(f"%%{_magic.__name__}").format_help()


def _size_text(size: int) -> str:
    """Return a number of bytes as people read it."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return ""


def _check_swept(job: AnyJob) -> None:
    if isinstance(job, Sweep) and not job.search_space:
        raise ValidationException(
            "no parameter at the top of the cell is swept",
            "%%sweep",
            "Assign a distribution there, as in learning_rate = LogUniform(-6, -1), or use %%job",
        )
    if isinstance(job, Sweep) and job.objective is None:
        raise ValidationException(
            "the metric that decides is missing", "%%sweep", "Add --metric accuracy --goal maximize"
        )
