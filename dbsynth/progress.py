"""How far a job has come: the jobs tell a `Progress`, which draws bars, writes lines, or keeps quiet.

A job opens a stage around each long step and calls what it gets as the step moves on:

>>> with QUIET.stage("training order", total=1600, unit="steps") as advance:
...     for _ in range(1600):
...         advance()
>>> QUIET.note("lookup table country is kept")

Stages may nest, and a stage may end before its total (training that stops early) or have no total at all.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import IO, Any, Protocol

from .errors import DeadlineError

__all__ = ["QUIET", "Advance", "Bars", "Deadline", "JsonLines", "Lines", "Progress", "Quiet", "make_progress", "now"]


class Advance(Protocol):
    """Called by a stage's step; `count` units more are done."""

    def __call__(self, count: int = 1, /) -> None: ...


class Progress(Protocol):
    """Who listens to a job."""

    def stage(self, name: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Advance]:
        """A long step of ``total`` units (rows, steps, tables); None where their number is not known before the end."""
        ...

    def note(self, text: str) -> None:
        """One sentence the user should see now."""
        ...


def make_progress(
    *, quiet: bool = False, as_json: bool = False, file: IO[str] | None = None, run: str | None = None
) -> Progress:
    """What fits ``file`` (None: stderr): nothing, JSON lines, bars on a terminal, plain lines elsewhere.

    Args:
        run: the run's id; lines then begin with the time and with it, JSON lines have it as `run`.
    """
    file = sys.stderr if file is None else file
    if quiet:
        return QUIET
    if as_json:
        return JsonLines(file, run)
    return Bars(file) if file.isatty() else Lines(file, run)


class Quiet:
    """Says nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "") -> Iterator[Advance]:
        yield _ignore

    def note(self, text: str) -> None:
        pass


def _ignore(count: int = 1, /) -> None:
    pass


QUIET = Quiet()


class Deadline:
    """Tells another listener what it hears, and ends the job once the time is up: at its next step or stage.

    Args:
        seconds: from now on.
    """

    def __init__(self, progress: Progress, seconds: float) -> None:
        self._progress, self._seconds, self._end = progress, seconds, time.monotonic() + seconds

    def check(self, before: str) -> None:
        """Raise DeadlineError if the time is up."""
        if time.monotonic() >= self._end:
            raise DeadlineError(
                f"the deadline of {show_seconds(self._seconds)} passed before {before}; the target is as it was, and "
                "the next run goes on from the tables that are learned. For a run in time give it more (`deadline` in "
                "the job file, or --deadline), or less to learn (`iterations`)"
            )

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "") -> Iterator[Advance]:
        self.check(name)
        with self._progress.stage(name, total, unit) as advance:

            def checked(count: int = 1, /) -> None:
                advance(count)
                self.check(f"{name} was done")

            yield checked

    def note(self, text: str) -> None:
        self._progress.note(text)


class _Stage:
    """What has been done of one stage, by the clock that cannot go backwards."""

    def __init__(self, name: str, total: int | None, unit: str) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self.began = self.reported = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    def is_due(self, interval: float) -> bool:
        """Whether ``interval`` seconds have passed since this was last true."""
        if time.monotonic() - self.reported < interval:
            return False
        self.reported = time.monotonic()
        return True

    def midway(self) -> str:
        """`training order: 400 of 1,600 steps, 197 steps/s, 6 s left`."""
        of = f" of {self.total:,}" if self.total else ""
        left = ""
        if self.total and self.rate:
            left = f", {show_seconds((self.total - self.done) / self.rate)} left"
        return f"{self.name}: {self.done:,}{of} {self.unit}, {show_rate(self.rate)} {self.unit}/s{left}"

    def summary(self) -> str:
        """`1,600 steps in 8.1 s (197 steps/s)`."""
        if not self.done:
            return show_seconds(self.seconds)
        rate = f" ({show_rate(self.rate)} {self.unit}/s)" if self.done > 1 else ""
        return f"{self.done:,} {self.unit} in {show_seconds(self.seconds)}{rate}"


def show_seconds(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.

    >>> [show_seconds(s) for s in (0.42, 12.3, 200, 7500)]
    ['0.4 s', '12 s', '3 min 20 s', '2 h 5 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def show_rate(rate: float) -> str:
    """Three figures at most after a thousand's comma.

    >>> [show_rate(r) for r in (0.25, 7.3, 197.4, 123456.7)]
    ['0.25', '7.3', '197', '123,457']
    """
    if rate >= 10:
        return f"{rate:,.0f}"
    return f"{rate:.2f}" if rate < 1 else f"{rate:.1f}"


class Lines:
    """A plain line for each finished stage, and one every ten seconds while a long stage runs: for log files."""

    interval = 10.0  # seconds
    brief = 0.3  # seconds; a stage shorter than this leaves no line

    def __init__(self, file: IO[str], run: str | None = None) -> None:
        self._file, self._run = file, run

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "") -> Iterator[Advance]:
        state = _Stage(name, total, unit)

        def advance(count: int = 1, /) -> None:
            state.done += count
            if state.is_due(self.interval):
                self.note(state.midway())

        yield advance
        if state.seconds >= self.brief:
            self.note(f"{name}: {state.summary()}")

    def note(self, text: str) -> None:
        when = f"{now()} {self._run} " if self._run else ""
        print(when + _printable(text), file=self._file, flush=True)


class JsonLines:
    """One JSON object a line: `start`, at most one `progress` a second, `done`, and `note`; all of one run."""

    interval = 1.0  # seconds

    def __init__(self, file: IO[str], run: str | None = None) -> None:
        self._file, self._run = file, {"run": run} if run else {}

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "") -> Iterator[Advance]:
        state = _Stage(name, total, unit)
        self._write(event="start", stage=name, total=total, unit=unit)

        def advance(count: int = 1, /) -> None:
            state.done += count
            if state.is_due(self.interval):
                self._write(event="progress", stage=name, done=state.done, total=total, seconds=round(state.seconds, 3))

        yield advance
        self._write(event="done", stage=name, done=state.done, total=total, seconds=round(state.seconds, 3))

    def note(self, text: str) -> None:
        self._write(event="note", text=text)

    def _write(self, **event: Any) -> None:
        print(json.dumps({"time": now(), **self._run, **event}), file=self._file, flush=True)


def now() -> str:
    """The time in RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Bars:
    """A bar for every open stage, with rate and remaining time; a finished stage leaves one line above the bars."""

    brief = 0.3  # seconds; a stage shorter than this leaves no line

    def __init__(self, file: IO[str]) -> None:
        from rich.console import Console

        self._console = Console(file=file, highlight=False)
        self._bars: Any = None  # rich's Progress while a stage is open
        self._open = 0

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "") -> Iterator[Advance]:
        bars = self._enter()
        state = _Stage(name, total, unit)
        # A table's name may hold rich's markup or control characters; the bar shows neither.
        shown = _printable(name)
        task = bars.add_task(shown, total=total, unit=unit)

        def advance(count: int = 1, /) -> None:
            state.done += count
            bars.advance(task, count)

        try:
            yield advance
            if state.seconds >= self.brief:
                self._finished(shown, state)
        finally:
            bars.remove_task(task)
            self._leave()

    def note(self, text: str) -> None:
        self._console.print(_printable(text), style="dim", markup=False)

    def _finished(self, shown: str, state: _Stage) -> None:
        from rich.text import Text

        self._console.print(Text.assemble(("✓ ", "green"), shown, "  ", (state.summary(), "dim")), soft_wrap=True)

    def _enter(self) -> Any:
        if self._bars is None:
            self._bars = _make_bars(self._console)
            self._bars.start()
        self._open += 1
        return self._bars

    def _leave(self) -> None:
        self._open -= 1
        if not self._open:
            self._bars.stop()
            self._bars = None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _make_bars(console: Any) -> Any:
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Any) -> Text:
            of = f"/{task.total:,.0f}" if task.total is not None else ""
            return Text(f"{task.completed:,.0f}{of} {task.fields['unit']}" if of or task.completed else "")

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{show_rate(task.speed)}/s" if task.speed else "", style="cyan")

    class Remaining(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Any) -> Text:
            left = task.time_remaining
            return Text(f"{show_seconds(left)} left" if left else show_seconds(task.elapsed or 0), style="dim")

    name = Column(no_wrap=True, overflow="ellipsis", max_width=32, ratio=2)
    count, rate, remaining = (Column(no_wrap=True, justify="right") for _ in range(3))
    return RichProgress(
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=None, table_column=Column(ratio=1, max_width=40)),
        Count(count),
        Rate(rate),
        Remaining(remaining),
        console=console,
        transient=True,
        expand=True,
        redirect_stdout=False,  # stdout may be a pipe, and is the result's
    )
