"""The command line: parse, call, print.

Nothing heavy is imported before a command runs, so that `dbsynth --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from .errors import DbsynthError
from .progress import Progress, make_progress
from .secrecy import expand_variables, scrub

__all__ = ["main"]


class _Url(click.ParamType):
    """A database URL, its `${VARIABLES}` expanded; what is wrong with it is said without repeating it."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            url = expand_variables(value)
        except KeyError as error:
            self.fail(f"the environment variable {error.args[0]} is not set", param, ctx)
        if "://" not in url:
            expected = "postgresql://user@host/database, mysql://user@host/database or sqlite:///file.db"
            self.fail(f"that is not a database URL; expected {expected}", param, ctx)
        return url


class _Widths(click.ParamType):
    """Whole numbers with commas between them."""

    name = "n,n,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            return tuple(int(width) for width in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 128,128,128", param, ctx)


class _Option(click.Option):
    """An option that knows under which heading --help shows it."""

    def __init__(self, *args: Any, section: str = "Options", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


class _Command(click.Command):
    """A command whose --help groups the options and ends with an example."""

    def __init__(self, *args: Any, example: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_a_way = any(isinstance(p.type, click.Choice) for p in self.params if p.name == "replace")
        return super().parse_args(ctx, list(_with_values(args)) if takes_a_way else args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(option, "section", "Options"), []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write_text(line)


def _with_values(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, so that `--replace` takes the word after it for its value only where it is one."""
    following = [*arguments[1:], ""]
    for argument, after in zip(arguments, following, strict=True):
        if argument == "--":
            break
        yield f"--replace={_WAYS[0]}" if argument == "--replace" and after not in _WAYS else argument
    yield from arguments[arguments.index("--") :] if "--" in arguments else ()


class _Group(click.Group):
    """The commands in the order of this file: as one uses them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _option(section: str, *names: str, **attributes: Any) -> Callable[[Any], Any]:
    return click.option(*names, cls=_Option, section=section, **attributes)


_RUN = "How to run"
_ROWS = "What becomes of the tables"
_CLAVA = "ClavaDDPM"
_GRAPH = "Graph"
_DIFFUSION = "Diffusion"

# Every field of config.Settings, same spelling; a default stands in square brackets. None: the option was not given.
_PRESETS = ["fast", "paper", "paper:berka", "paper:california", "paper:ccs", "paper:instacart", "paper:movielens"]
_CONFIG = _option(
    _RUN, "--config", type=click.Path(path_type=Path), metavar="FILE.toml",
    help="Settings as a TOML file, spelled as here with underscores; an option wins over the file.",
)  # fmt: skip
_KEPT = [
    _option(_ROWS, "--keep", multiple=True, metavar="TABLE", help="Copy this table as it is; repeat it for more."),
    _option(_ROWS, "--no-keep", is_flag=True, help="Model small lookup tables too, which are otherwise copied."),
]
_SETTINGS = [
    _CONFIG,
    _option(_RUN, "--engine", type=click.Choice(["clava", "graph"]), help="What learns the rows. [clava]"),
    _option(_RUN, "--preset", type=click.Choice(_PRESETS), metavar="NAME",
            help=f"Values for the settings of the engine: {', '.join(_PRESETS)}. [fast]"),
    _option(_RUN, "--seed", type=int, help="Same seed, same device, same rows. [0]"),
    _option(_RUN, "--device", help="Where torch computes: cpu, cuda, cuda:1, mps. [cpu]"),
    *_KEPT,
    _option(_ROWS, "--scale", type=float, help="Synthetic rows for each real row. [1.0]"),
    _option(_ROWS, "--rare", type=int,
            help="Values that fewer rows than this hold do not come through; 1 lets all through. [5]"),
    _option(_ROWS, "--virtual-fk", multiple=True, metavar="CHILD.COL=PARENT.COL",
            help="A relation that the database does not declare; child.a,b=parent.x,y for two columns."),
    _option(_CLAVA, "--n-clusters", type=int, help="k: latent classes for each foreign key. [50]"),
    _option(_CLAVA, "--parent-scale", type=float, help="λ: weight of the parent beside the child in clustering. [1.0]"),
    _option(_CLAVA, "--clustering", type=click.Choice(["group", "vote"]),
            help="Cluster groups of children, or rows that then vote. [group]"),
    _option(_CLAVA, "--guidance", type=click.Choice(["direct", "classifier"]),
            help="The label steers as an input, or by a classifier's gradient. [direct]"),
    _option(_CLAVA, "--guidance-scale", type=float, help="η: strength of the classifier's gradient. [1.0]"),
    _option(_CLAVA, "--ancestors/--no-ancestors", default=None,
            help="Direct guidance hears the parent row too. [ancestors]"),
    _option(_CLAVA, "--group-sizes", type=click.Choice(["joint", "label"]),
            help="Numbers of children are drawn with the parent row, or from its label alone. [joint]"),
    _option(_CLAVA, "--matching/--no-matching", default=None,
            help="Pair the versions of a child that has several parents, or let them meet at random. [matching]"),
    _option(_CLAVA, "--meeting", type=click.Choice(["labels", "values"]),
            help="Pair them by their labels, or by nearest values. [labels]"),
    _option(_GRAPH, "--structure", type=click.Choice(["shapes", "degrees"]),
            help="Numbers of children drawn jointly, with labels to meet by; or for each key alone. [shapes]"),
    _option(_GRAPH, "--fan-out", type=_Widths(), help="Children of a row that are heard, hop by hop. [8,0]"),
    _option(_GRAPH, "--width", type=int, help="Numbers in which a neighbour's row is heard. [64]"),
    _option(_GRAPH, "--epochs", type=int, help="Most times that training comes back to a row. [100]"),
    _option(_DIFFUSION, "--noise", type=click.Choice(["continuous", "discrete"]), help="Noise levels. [continuous]"),
    _option(_DIFFUSION, "--n-steps", type=int, help="Steps of the sampler. [16]"),
    _option(_DIFFUSION, "--layers", type=_Widths(), help="Widths of the denoiser's layers. [128,128,128]"),
    _option(_DIFFUSION, "--iterations", type=int, help="Most training steps for each table. [800]"),
    _option(_DIFFUSION, "--batch-size", type=int, help="Rows in a training step. [1024]"),
    _option(_DIFFUSION, "--learning-rate", type=float, help="Of the denoiser. [0.002]"),
    _option(_DIFFUSION, "--muon", type=float,
            help="Muon's learning rate for hidden matrices of the denoiser; 0 leaves them to AdamW. [0.05]"),
    _option(_DIFFUSION, "--ema", type=float, help="Decay of the averaged weights that sample. [0.995]"),
    _option(_DIFFUSION, "--held-back", type=float, help="Share of rows that say when to stop training. [0.05]"),
    _option(_DIFFUSION, "--classifier-layers", type=_Widths(), help="Widths of the classifier's layers. [128,256,128]"),
    _option(_DIFFUSION, "--classifier-iterations", type=int, help="Training steps of a classifier. [800]"),
    _option(_DIFFUSION, "--classifier-learning-rate", type=float, help="Of the classifiers. [0.001]"),
]  # fmt: skip
_QUIET = _option(
    "Output", "--quiet", "-q", is_flag=True, help="No progress, and no result but that of --json or inspect."
)
_OUTPUT = [
    _QUIET,
    _option("Output", "--json", "as_json", is_flag=True,
            help="One JSON document on stdout; progress as JSON lines on stderr."),
]  # fmt: skip
_REPORT = click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html",
                       help="Write the comparison as one HTML page, pictures and all.")  # fmt: skip
_HOLDOUT = 0.05
_WAYS = ["swap", "in-place"]
_REPLACE = [
    click.option("--replace", type=click.Choice(_WAYS), metavar="[in-place]",
                 help="Replace the rows of a target that is not empty: new tables are built beside the old ones and "
                      "take their place at once; or, in-place, in the same tables, where no new ones may be made."),
]  # fmt: skip


@click.group(
    cls=_Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="dbsynth", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Learn a relational database and write a synthetic one: same tables, keys and statistics, none of its rows.

    A URL is postgresql://user:password@host/database, mysql://…, mariadb://… or sqlite:///file.db. To keep a password
    off the command line write ${VARIABLE} in its place, in single quotes: 'postgresql://app:${DB_PASSWORD}@db/shop'.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _command(*options: list[Callable[[Any], Any]], example: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make the function a command of `cli` with these groups of options below its own."""

    def decorate(function: Callable[..., None]) -> click.Command:
        for option in reversed([option for group in options for option in group]):
            function = option(function)
        return cli.command(cls=_Command, example=example)(function)

    return decorate


@_command(_SETTINGS, _OUTPUT, example="dbsynth inspect 'postgresql://reader:${DB_PASSWORD}@db.example.org/shop'")
@click.argument("url", type=_Url())
def inspect(url: str, quiet: bool, as_json: bool, **settings: Any) -> None:
    """Show what would become of a database, and change nothing.

    Its tables, rows and foreign keys; for each column whether it is modelled, fabricated or copied, and why; and what
    stands in the way of cloning it.
    """
    from . import jobs, show

    plan = jobs.inspect(url, _load_settings(settings), progress=_progress(quiet, as_json))
    show.as_json(plan) if as_json else show.plan(plan)


@_command(_SETTINGS, _OUTPUT, example="dbsynth fit sqlite:///shop.db shop.bundle --keep country")
@click.argument("url", type=_Url())
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
    _REPLACE,
    [
        click.option("--scale", type=float, help="Synthetic rows for each real row. [as fitted]"),
        click.option("--seed", type=int, help="Same seed, same device, same rows. [as fitted]"),
        click.option("--device", help="Where torch computes: cpu, cuda, cuda:1, mps. [as fitted]"),
    ],
    _OUTPUT,
    example="dbsynth generate shop.bundle sqlite:///larger.db --scale 2.5",
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("target", type=_Url(), metavar="TARGET_URL")
def generate(bundle: Path, target: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Write a synthetic database from a BUNDLE.

    The source is not needed any more. The target is empty, or has the same tables; all rows appear in it at once, or on
    any error none.
    """
    from . import jobs

    report = jobs.generate(bundle, target, **options, progress=_progress(quiet, as_json))
    _show_report(report, quiet, as_json)


@_command(
    _REPLACE,
    [
        click.option("--no-evaluate", is_flag=True, help="Do not compare the synthetic rows with the real ones."),
        click.option("--extras", is_flag=True, help="Train classifiers to tell the two apart, too: minutes."),
        click.option("--holdout", is_flag=True,
                     help="Keep 5 % of the root rows and their descendants from training, so that privacy can be "
                          "measured against rows that were never learned."),
        _REPORT,
    ],
    _SETTINGS,
    _OUTPUT,
    example="dbsynth clone 'postgresql://reader:${DB_PASSWORD}@db/shop' postgresql://dev@staging/shop --replace",
)  # fmt: skip
@click.argument("source", type=_Url(), metavar="SOURCE_URL")
@click.argument("target", type=_Url(), metavar="TARGET_URL")
def clone(
    source: str,
    target: str,
    replace: str | None,
    no_evaluate: bool,
    extras: bool,
    holdout: bool,
    report: Path | None,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn one database and write a synthetic one.

    The source is only read. The target is empty, or has the same tables; all rows appear in it at once, or on any error
    none.
    """
    from . import jobs

    done = jobs.clone(
        source, target, _load_settings(settings), replace=replace, evaluate=not no_evaluate, extras=extras,
        holdout=_HOLDOUT * holdout, page=report, progress=_progress(quiet, as_json),
    )  # fmt: skip
    _show_report(done, quiet, as_json)


@_command(
    [
        _REPORT,
        click.option("--json", "document", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE",
                     help="Write every figure as one JSON document; - is stdout."),
        click.option("--fail-under", multiple=True, metavar="MEASURE=NUMBER",
                     help="End with status 4 if this measure is lower, as avg_2way=90; repeat it for more."),
        click.option("--fail-over", multiple=True, metavar="MEASURE=NUMBER",
                     help="End with status 4 if this measure is higher, as mia_auc=0.55; repeat it for more."),
    ],
    [
        click.option("--tables", multiple=True, metavar="TABLE", help="Compare this table only; repeat it for more."),
        click.option("--sample-rows", type=click.IntRange(1), metavar="N",
                     help="Look at N rows of a table at most, where all of them take long."),
        click.option("--no-extras", is_flag=True, help="Train no classifiers: no C2ST, no efficacy, no precision."),
        click.option("--holdout", "holdout", type=_Url(), metavar="URL",
                     help="A database with real rows that the maker of the synthetic one has not seen."),
        click.option("--seed", type=int, help="Of samples and folds. [0]"),
    ],
    [_CONFIG, *_KEPT],
    [_QUIET],
    example="dbsynth evaluate postgresql://reader@db/shop postgresql://dev@staging/shop --report shop.html",
)  # fmt: skip
@click.argument("real", type=_Url(), metavar="REAL_URL")
@click.argument("synthetic", type=_Url(), metavar="SYNTHETIC_URL")
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
    from .quality.thresholds import broken, parse_threshold

    bounds = [parse_threshold(text, at_most=False) for text in fail_under]
    bounds += [parse_threshold(text, at_most=True) for text in fail_over]
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


@_command(_SETTINGS, _OUTPUT, example="dbsynth demo my-demo --iterations 400")
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
    options |= {name: options.get(name) or None for name in ("keep", "no_keep", "virtual_fk")}
    return load_settings(path, **options)


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

    Status 0; 1 on an error, 2 on bad usage, 4 if a threshold of `evaluate` is missed, 130 on Ctrl-C.
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
        return _say(f"dbsynth: error: {error}", arguments, 1)
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
            return _say(f"dbsynth: error: the disk is full: {error}", arguments, 1)
        return _say("".join(traceback.format_exception(error)).rstrip(), arguments, 1)
    return 0


def _say(text: str, arguments: list[str], status: int) -> int:
    print(scrub(text, arguments), file=sys.stderr)
    return status
