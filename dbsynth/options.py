"""The options of the command line, by groups, and how --help shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from .errors import ConfigError
from .secrecy import expand_variables

__all__ = [
    "COMPLETE", "CONFIG", "GIVEN", "HOLDOUT", "JOB", "KEPT", "OUTPUT", "QUIET", "REPLACE", "REPORT", "RUN", "SETTINGS",
    "THRESHOLDS", "Command", "Group", "Url",
]  # fmt: skip


class Url(click.ParamType):
    """A database URL, its `${VARIABLES}` expanded; what is wrong with it is said without repeating it."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            url = expand_variables(value)
        except KeyError as error:
            self.fail(f"the environment variable {error.args[0]} is not set", param, ctx)
        except ConfigError as error:
            self.fail(str(error), param, ctx)
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


class Command(click.Command):
    """A command whose --help groups the options and ends with an example."""

    def __init__(self, *args: Any, example: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_a_way = any(isinstance(p.type, click.Choice) for p in self.params if p.name == "replace")
        return super().parse_args(ctx, list(_with_ways(args)) if takes_a_way else args)

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


def _with_ways(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, so that `--replace` takes the word after it for its value only where it is one."""
    following = [*arguments[1:], ""]
    for argument, after in zip(arguments, following, strict=True):
        if argument == "--":
            break
        yield f"--replace={_WAYS[0]}" if argument == "--replace" and after not in _WAYS else argument
    yield from arguments[arguments.index("--") :] if "--" in arguments else ()


class Group(click.Group):
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
CONFIG = _option(
    _RUN, "--config", type=click.Path(path_type=Path), metavar="FILE.toml",
    help="Settings as a TOML file, spelled as here with underscores; an option wins over the file.",
)  # fmt: skip
KEPT = [
    _option(_ROWS, "--keep", multiple=True, metavar="TABLE", help="Copy this table as it is; repeat it for more."),
    _option(_ROWS, "--no-keep", is_flag=True, help="Model small lookup tables too, which are otherwise copied."),
]
SETTINGS = [
    CONFIG,
    _option(_RUN, "--engine", type=click.Choice(["clava", "graph"]), help="What learns the rows. [clava]"),
    _option(_RUN, "--preset", type=click.Choice(_PRESETS), metavar="NAME",
            help=f"Values for the settings of the engine: {', '.join(_PRESETS)}. [fast]"),
    _option(_RUN, "--seed", type=int, help="Same seed, same device, same rows. [0]"),
    _option(_RUN, "--device", help="Where torch computes: cpu, cuda, cuda:1, mps. [cpu]"),
    _option(_RUN, "--workspace", metavar="FOLDER",
            help="Where the real rows are kept while a job runs, such as a tmpfs. [the system's temporary folder]"),
    _option(_RUN, "--encrypt-workspace", is_flag=True,
            help="Keep them encrypted there, with a key that is in memory only. [off]"),
    *KEPT,
    _option(_ROWS, "--scale", type=float, help="Synthetic rows for each real row. [1.0]"),
    _option(_ROWS, "--rare", type=int,
            help="Values that fewer rows than this hold do not come through; 1 lets all through. [5]"),
    _option(_ROWS, "--rules/--no-rules", default=None,
            help="Rules between columns that every real row obeys hold in synthetic rows, too. [rules]"),
    _option(_ROWS, "--virtual-fk", multiple=True, metavar="CHILD.COL=PARENT.COL",
            help="A relation that the database does not declare; child.a,b=parent.x,y for two columns."),
    _option(_ROWS, "--ddl", type=click.Choice(["tables", "native"]),
            help="Tables only; or views, functions and triggers too, where the target speaks the same SQL. [tables]"),
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
    _option(_GRAPH, "--epochs", type=int, help="Most times that training comes back to a row. [30]"),
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
QUIET = _option(
    "Output", "--quiet", "-q", is_flag=True, help="No progress, and no result but that of --json or inspect."
)
OUTPUT = [
    QUIET,
    _option("Output", "--json", "as_json", is_flag=True,
            help="One JSON document on stdout; progress as JSON lines on stderr."),
]  # fmt: skip
REPORT = click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html",
                       help="Write the comparison as one HTML page, pictures and all.")  # fmt: skip
JOB = [
    click.option("--refit", is_flag=True, help="Learn from nothing, whatever the bundle holds; also a changed schema."),
    click.option("--bundle", type=click.Path(path_type=Path), metavar="FOLDER", help="Where what was learned is kept."),
    click.option("--max-age", metavar="TIME", help="Learn a bundle older than that from nothing: 30d, 4w."),
]
RUN = [
    click.option("--deadline", metavar="TIME",
                 help="Stop, and leave the target as it was, if the rows are not in it by then: 45m, 1h30m."),
    click.option("--metrics", type=click.Path(path_type=Path), metavar="FILE.prom",
                 help="Write the run's figures in Prometheus' text format."),
]
THRESHOLDS = [
    click.option("--fail-under", multiple=True, metavar="MEASURE=NUMBER",
                 help="End with status 4 if this measure is lower, as avg_2way=90; repeat it for more."),
    click.option("--fail-over", multiple=True, metavar="MEASURE=NUMBER",
                 help="End with status 4 if this measure is higher, as mia_auc=0.55; repeat it for more."),
]
HOLDOUT = 0.05
_WAYS = ["swap", "in-place"]
REPLACE = [
    click.option("--replace", type=click.Choice(_WAYS), metavar="[in-place]",
                 help="Replace the rows of a target that is not empty: new tables are built beside the old ones and "
                      "take their place at once; or, in-place, in the same tables, where no new ones may be made."),
]  # fmt: skip
GIVEN = [
    click.option("--given", multiple=True, metavar="TABLE",
                 help="Take the rows of this table, and of those it refers to, as they are; repeat it for more."),
    click.option("--given-from", type=Url(), metavar="URL", help="The database that has these rows."),
]  # fmt: skip
COMPLETE = [
    click.option("--fill", multiple=True, metavar="TABLE.COLUMN",
                 help="Fill the nulls of this column, or of all columns of a TABLE; repeat it for more."),
    click.option("--rows", multiple=True, metavar="TABLE=N",
                 help="Add rows to this table until it has N; without N, as many as the bundle has seen."),
    click.option("--bundle", type=click.Path(path_type=Path),
                 help="What fills and adds; else it is learned from the source."),
]  # fmt: skip
