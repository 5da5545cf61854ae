"""The command line: parse, call, print.

Nothing heavy is imported before a command runs, so that `dbsynth --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from .errors import DbsynthError, DecisionError
from .options import (
    COMPLETE,
    CONFIG,
    GIVEN,
    HOLDOUT,
    JOB,
    KEPT,
    OUTPUT,
    QUIET,
    REPLACE,
    REPORT,
    RUN,
    SETTINGS,
    THRESHOLDS,
    Command,
    Group,
    Url,
)
from .progress import Progress, make_progress
from .secrecy import printable, scrub

__all__ = ["main"]


@click.group(
    cls=Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="dbsynth", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Learn a relational database and write a synthetic one: same tables, keys and statistics, none of its rows.

    A URL is postgresql://user:password@host/database, mysql://…, mariadb://… or sqlite:///file.db. To keep a password
    off the command line write ${VARIABLE} in its place, in single quotes: 'postgresql://app:${DB_PASSWORD}@db/shop'.

    Exit status: 0 done; 1 an error; 2 bad usage; 3 somebody has to decide first; 4 a figure is worse than a threshold;
    5 the deadline passed; 130 and 143 interrupted. After all but 0 the target is as it was.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _command(*options: list[Callable[[Any], Any]], example: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make the function a command of `cli` with these groups of options below its own."""

    def decorate(function: Callable[..., None]) -> click.Command:
        for option in reversed([option for group in options for option in group]):
            function = option(function)
        return cli.command(cls=Command, example=example)(function)

    return decorate


@_command(
    [click.option("--target", type=Url(), metavar="URL", help="Where it would go: what does not fit there, too.")],
    SETTINGS,
    OUTPUT,
    example="dbsynth inspect 'postgresql://reader:${DB_PASSWORD}@db.example.org/shop'",
)
@click.argument("url", type=Url())
def inspect(url: str, target: str | None, quiet: bool, as_json: bool, **settings: Any) -> None:
    """Show what would become of a database, and change nothing.

    Its tables, rows and foreign keys; for each column whether it is modelled, fabricated or copied, and why; what a
    target would not get; and what stands in the way of cloning it. Status 0: nothing does. Status 3: something does,
    and somebody has to decide first.
    """
    from . import jobs, show

    plan = jobs.inspect(url, _load_settings(settings), target_url=target, progress=_progress(quiet, as_json))
    show.as_json(plan) if as_json else show.plan(plan)
    if plan.obstacles:
        raise click.exceptions.Exit(DecisionError.exit_status)


@_command(SETTINGS, OUTPUT, example="dbsynth fit sqlite:///shop.db shop.bundle --keep country")
@click.argument("url", type=Url())
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a bundle that is already there.")
def fit(url: str, bundle: Path, replace: bool, quiet: bool, as_json: bool, **settings: Any) -> None:
    """Learn a database and write a BUNDLE.

    The bundle is a folder with the weights and the settings; `generate` makes databases from it. It holds no row of the
    source, except those of the tables that are kept.
    """
    from . import jobs, show

    report = jobs.fit(url, bundle, _load_settings(settings), progress=_progress(quiet, as_json), replace=replace)
    if as_json:
        show.as_json(report)
    elif not quiet:
        show.fit_report(report)


@_command(
    REPLACE,
    [
        click.option("--scale", type=float, help="Synthetic rows for each real row. [as fitted]"),
        click.option("--seed", type=int, help="Same seed, same device, same rows. [as fitted]"),
        click.option("--device", help="Where torch computes: cpu, cuda, cuda:1, mps. [as fitted]"),
        click.option("--ddl", type=click.Choice(["tables", "native"]), default="tables",
                     help="Tables only; or views, functions and triggers too, if the bundle was fitted with them: SQL "
                          "of whoever made it. [tables]"),
        *GIVEN,
    ],
    OUTPUT,
    example="dbsynth generate shop.bundle sqlite:///larger.db --scale 2.5",
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("target", type=Url(), metavar="TARGET_URL")
def generate(bundle: Path, target: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Write a synthetic database from a BUNDLE.

    The source is not needed any more. The target is empty, or has the same tables; all rows appear in it at once, or on
    any error none.
    """
    from . import jobs

    report = jobs.generate(bundle, target, **options, progress=_progress(quiet, as_json))
    _show_report(report, quiet, as_json)


@_command(
    REPLACE,
    [
        click.option("--no-evaluate", is_flag=True, help="Do not compare the synthetic rows with the real ones."),
        click.option("--extras", is_flag=True, help="Train classifiers to tell the two apart, too: minutes."),
        click.option("--holdout", is_flag=True,
                     help="Keep 5 % of the root rows and their descendants from training, so that privacy can be "
                          "measured against rows that were never learned."),
        REPORT,
        *THRESHOLDS,
    ],
    SETTINGS,
    OUTPUT,
    example="dbsynth clone 'postgresql://reader:${DB_PASSWORD}@db/shop' postgresql://dev@staging/shop --replace",
)  # fmt: skip
@click.argument("source", type=Url(), metavar="SOURCE_URL")
@click.argument("target", type=Url(), metavar="TARGET_URL")
def clone(
    source: str,
    target: str,
    replace: str | None,
    no_evaluate: bool,
    extras: bool,
    holdout: bool,
    report: Path | None,
    fail_under: tuple[str, ...],
    fail_over: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn one database and write a synthetic one.

    The source is only read. The target is empty, or has the same tables; all rows appear in it at once, or on any error
    none. Nor do they where a figure is worse than --fail-under or --fail-over asks for.
    """
    from . import jobs

    if no_evaluate and (fail_under or fail_over):
        raise click.UsageError("--no-evaluate leaves no figure to hold against --fail-under or --fail-over")
    done = jobs.clone(
        source, target, _load_settings(settings), replace=replace, evaluate=not no_evaluate, extras=extras,
        holdout=HOLDOUT * holdout, page=report, thresholds=_thresholds(fail_under, fail_over),
        progress=_progress(quiet, as_json),
    )  # fmt: skip
    _show_report(done, quiet, as_json)


@_command(
    REPLACE,
    COMPLETE,
    SETTINGS,
    OUTPUT,
    example="dbsynth complete sqlite:///shop.db sqlite:///whole.db --fill customer.birth_date --rows review=4000",
)  # fmt: skip
@click.argument("source", type=Url(), metavar="SOURCE_URL")
@click.argument("target", type=Url(), metavar="TARGET_URL")
def complete(
    source: str, target: str, fill: tuple[str, ...], rows: tuple[str, ...], bundle: Path | None, replace: str | None,
    quiet: bool, as_json: bool, **settings: Any,
) -> None:  # fmt: skip
    """Write a database with all rows of another as they are, nulls filled and missing rows added.

    What fills and adds was learned, by the graph engine, from the source itself or from another database (--bundle).
    Real rows come out: the target is no synthetic database.
    """
    from . import jobs

    report = jobs.complete(
        source, target, _load_settings(settings), fill=fill, rows=rows, bundle=bundle, replace=replace,
        progress=_progress(quiet, as_json),
    )  # fmt: skip
    _show_report(report, quiet, as_json)


@_command(
    [
        REPORT,
        click.option("--json", "document", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE",
                     help="Write every figure as one JSON document; - is stdout."),
        *THRESHOLDS,
    ],
    [
        click.option("--tables", multiple=True, metavar="TABLE", help="Compare this table only; repeat it for more."),
        click.option("--sample-rows", type=click.IntRange(1), metavar="N",
                     help="Look at N rows of a table at most, where all of them take long."),
        click.option("--no-extras", is_flag=True, help="Train no classifiers: no C2ST, no efficacy, no precision."),
        click.option("--holdout", "holdout", type=Url(), metavar="URL",
                     help="A database with real rows that the maker of the synthetic one has not seen."),
        click.option("--seed", type=int, help="Of samples and folds. [0]"),
    ],
    [CONFIG, *KEPT],
    [QUIET],
    example="dbsynth evaluate postgresql://reader@db/shop postgresql://dev@staging/shop --report shop.html",
)  # fmt: skip
@click.argument("real", type=Url(), metavar="REAL_URL")
@click.argument("synthetic", type=Url(), metavar="SYNTHETIC_URL")
def evaluate(
    real: str,
    synthetic: str,
    report: Path | None,
    document: Path | None,
    fail_under: tuple[str, ...],
    fail_over: tuple[str, ...],
    tables: tuple[str, ...],
    sample_rows: int | None,
    no_extras: bool,
    holdout: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Say how like a real database a synthetic one is, and whether it gives anybody away.

    The two have the same schema, and any tool may have made the second. Both are only read.
    """
    from . import jobs, show
    from .quality.thresholds import broken

    bounds = _thresholds(fail_under, fail_over)
    to_stdout = str(document) == "-"
    evaluation = jobs.evaluate(
        real, synthetic, _load_settings(settings), tables=tables, sample_rows=sample_rows, extras=not no_extras,
        holdout_url=holdout, page=report, document=None if to_stdout else document,
        progress=_progress(quiet, as_json=False),
    )  # fmt: skip
    if to_stdout:
        show.as_json(evaluation)
    elif not quiet:
        show.evaluation(evaluation)
    missed = broken(evaluation, bounds)
    for sentence in missed:
        click.echo(f"dbsynth: {sentence}", err=True)
    if missed:
        raise click.exceptions.Exit(4)


@_command(
    SETTINGS,
    [QUIET],
    example="dbsynth init 'postgresql://reader:${DB_PASSWORD}@db.example.org/shop' > shop.toml",
)
@click.argument("source", metavar="SOURCE_URL")
@click.argument("target", metavar="[TARGET_URL]", required=False)
def init(source: str, target: str | None, quiet: bool, **settings: Any) -> None:
    """Print a job file for a database, with what would become of every table and column.

    Passwords are left out: variables stand in their place, which the environment, or files that it names, must hold.
    """
    from . import jobs

    url = Url().convert(source, None, None)
    text = jobs.init(
        url, source, target, _load_settings(settings), progress=_progress(quiet, as_json=False)
    )
    click.echo(text, nl=False)


@_command(
    [
        *JOB,
        click.option("--strict", is_flag=True, help="End with status 3 for what somebody should look at, too."),
    ],
    OUTPUT,
    example="dbsynth plan shop.toml --strict",
)
@click.argument("job", type=click.Path(path_type=Path), metavar="JOB.toml")
def plan(job: Path, refit: bool, strict: bool, quiet: bool, as_json: bool, **options: Any) -> None:
    """Say what `refresh` would do, and why, and change nothing.

    Status 0: nothing is in the way. Status 3: somebody has to decide first. With --strict also where the schema is not
    what it was, or what was learned is not what is there.
    """
    from . import jobs, show
    from .job import load_job

    outlook = jobs.plan(load_job(job, **options), refit=refit, progress=_progress(quiet, as_json))
    if as_json:
        show.as_json(outlook)
    elif not quiet:
        show.outlook(outlook)
    if outlook.obstacles or (strict and outlook.to_look_at):
        raise click.exceptions.Exit(DecisionError.exit_status)


@_command(
    [*JOB, *RUN, REPORT],
    OUTPUT,
    example="dbsynth refresh shop.toml --deadline 3h --metrics /var/lib/node_exporter/shop.prom",
)
@click.argument("job", type=click.Path(path_type=Path), metavar="JOB.toml")
def refresh(job: Path, refit: bool, quiet: bool, as_json: bool, **options: Any) -> None:
    """Renew a synthetic database as a job file says; made to run every night.

    Learns what has changed since the last run, or nothing if nothing has. The new rows take the place of the old ones
    at once, if the thresholds are met; after any error the target is as it was. A fit that was killed is taken up by
    the next run.
    """
    from . import jobs, show
    from .job import load_job

    run = jobs.new_run()
    progress = make_progress(quiet=quiet, as_json=as_json, run=run)
    done = jobs.refresh(load_job(job, **options), refit=refit, run=run, progress=progress)
    if as_json:
        show.as_json(done)
    elif not quiet:
        show.refresh_report(done)


@_command(
    [click.option("--json", "as_json", is_flag=True, help="The records as they are, one JSON document.")],
    example="dbsynth runs shop.toml",
)
@click.argument("place", type=click.Path(path_type=Path), metavar="JOB.toml|BUNDLE")
def runs(place: Path, as_json: bool) -> None:
    """List the runs of a job, the oldest first: when, what was done, how it ended, how good the rows were."""
    from . import show
    from .history import read_runs
    from .job import load_job

    found = read_runs(load_job(place).bundle if place.suffix == ".toml" else place)
    show.runs(found, as_json=as_json)


@_command(SETTINGS, OUTPUT, example="dbsynth demo my-demo --iterations 400")
@click.argument("folder", type=click.Path(path_type=Path), default="demo")
def demo(folder: Path, quiet: bool, as_json: bool, **settings: Any) -> None:
    """Build a small shop, clone it, and compare.

    Both are SQLite files in FOLDER, which is `demo` if none is given.
    """
    from . import jobs

    report = jobs.demo(folder, _load_settings(settings), progress=_progress(quiet, as_json))
    _show_report(report, quiet, as_json)


def _load_settings(options: dict[str, Any]) -> Any:
    from .config import load_settings

    path = options.pop("config")
    # A flag that was not given, and a list that is empty, leave the file's word.
    options |= {name: options.get(name) or None for name in ("keep", "no_keep", "virtual_fk", "encrypt_workspace")}
    return load_settings(path, **options)


def _thresholds(fail_under: Sequence[str], fail_over: Sequence[str]) -> list[Any]:
    from .quality.thresholds import parse_threshold

    bounds = [parse_threshold(text, at_most=False) for text in fail_under]
    return bounds + [parse_threshold(text, at_most=True) for text in fail_over]


def _progress(quiet: bool, as_json: bool) -> Progress:
    return make_progress(quiet=quiet, as_json=as_json)


def _show_report(report: Any, quiet: bool, as_json: bool) -> None:
    from . import show

    if as_json:
        show.as_json(report)
    elif not quiet:
        show.report(report)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process.

    Status 0; 1 on an error, 2 on bad usage, 3 if somebody has to decide first, 4 if a threshold is missed, 5 if a
    deadline passed, 130 on Ctrl-C, 143 on SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # A container stops with SIGTERM, a terminal that closes with SIGHUP: end like Ctrl-C does, with every transaction
    # rolled back and every file removed. What `nohup` ignores stays ignored.
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:  # Windows has no SIGHUP
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks is no reason to fail
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    """The exit status; every way in which a command can end badly, and what is then said."""
    try:
        with cli.make_context("dbsynth", list(arguments)) as context:
            cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        usage = error.ctx.get_usage() + "\n" if error.ctx else ""
        return _say(f"{usage}dbsynth: error: {error.format_message()}", arguments, 2)
    except DbsynthError as error:
        return _say(f"dbsynth: error: {error}", arguments, error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        return _say("dbsynth: interrupted", arguments, 130)
    except BrokenPipeError as error:
        if error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone; let the last flush pass
        return 1
    except Exception as error:
        if isinstance(error, ImportError) and error.name is None:  # not Python's words: ours, on what to install
            return _say(f"dbsynth: error: {error}", arguments, 1)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _say(f"dbsynth: error: the disk is full: {error}; make room there, and run again", arguments, 1)
        return _say("".join(traceback.format_exception(error)).rstrip(), arguments, 1)
    return 0


def _say(text: str, arguments: list[str], status: int) -> int:
    print(printable(scrub(text, arguments)), file=sys.stderr)
    return status
