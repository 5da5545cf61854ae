"""What a Postgres database declares beside its tables, from its catalogs; ownership and rights are left out.

Names are spelled as the connection's search path lets them be: without their namespace in the default one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from dbsynth.schema import DatabaseObject

from .ddl import POSTGRES
from .objects import Failures, attempt

__all__ = ["create_early", "create_late", "fill", "read_objects", "to_create"]

_VISIBLE = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
_OF_EXTENSION = """EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{table}'::regclass AND e.objid = {alias}.oid
                           AND e.deptype = 'e')"""


def _not_of_extension(table: str, alias: str) -> str:
    return f"{_VISIBLE} AND NOT {_OF_EXTENSION.format(table=table, alias=alias)}"


_EXTENSIONS = "SELECT extname AS name FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"

# Where tables are, the tables bring them along.
_NAMESPACES = f"""
    SELECT quote_ident(n.nspname) AS name FROM pg_namespace n
    WHERE {_not_of_extension('pg_namespace', 'n')} AND n.nspname NOT IN ('public', current_schema())
      AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')) ORDER BY 1
"""

# A function that a table's default, generated column, check or index calls is part of the table.
_FUNCTIONS = f"""
    SELECT p.prokind::text AS kind, p.oid::regprocedure::text AS name, n.nspname = current_schema() AS is_default,
           quote_ident(n.nspname) || '.' || quote_ident(p.proname) AS qualified, quote_ident(p.proname) AS bare,
           CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END AS definition,
           a.aggtransfn::regproc::text AS step, format_type(a.aggtranstype, NULL) AS state, a.agginitval AS start,
           nullif(a.aggfinalfn::oid, 0)::regproc::text AS final,
           nullif(a.aggcombinefn::oid, 0)::regproc::text AS combine,
           EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
                   AND (d.classid IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass)
                        OR d.classid = 'pg_class'::regclass AND EXISTS (
                            SELECT FROM pg_class i WHERE i.oid = d.objid AND i.relkind IN ('i', 'I')))) AS is_needed
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
    WHERE {_not_of_extension('pg_proc', 'p')} AND NOT EXISTS (
        SELECT FROM pg_depend i WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')
    ORDER BY p.oid::regprocedure::text COLLATE "C"
"""

_PARTS = f"""
    SELECT c.oid::regclass::text AS name, i.inhparent::regclass::text AS parent, c.relispartition AS is_partition,
           pg_get_expr(c.relpartbound, c.oid) AS bound,
           CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS divided_by
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND {_not_of_extension('pg_class', 'c')}
    ORDER BY c.relispartition, (SELECT count(*) FROM pg_partition_ancestors(c.oid)),
        c.oid::regclass::text COLLATE "C", i.inhseqno
"""

# What a partition has and its table has not.
_PARTS_OF_PARTITIONS = f"""
    SELECT CASE WHEN k.oid IS NULL THEN 'index' ELSE 'constraint' END AS kind,
           coalesce(quote_ident(k.conname) || ' on ' || c.oid::regclass::text, x.indexrelid::regclass::text) AS name,
           coalesce('ALTER TABLE ' || c.oid::regclass::text || ' ADD CONSTRAINT ' || quote_ident(k.conname) || ' '
                    || pg_get_constraintdef(k.oid, true), pg_get_indexdef(x.indexrelid, 0, true)) AS definition
    FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')
    WHERE c.relispartition AND NOT EXISTS (SELECT FROM pg_inherits j WHERE j.inhrelid = x.indexrelid)
      AND {_not_of_extension('pg_class', 'c')} ORDER BY 1, 2
"""

_VIEWS = f"""
    SELECT c.oid::regclass::text AS name, c.relkind::text AS kind, pg_get_viewdef(c.oid) AS definition,
           array_to_string(c.reloptions, ', ') AS options,
           ARRAY(SELECT pg_get_indexdef(x.indexrelid, 0, true) FROM pg_index x
                 WHERE x.indrelid = c.oid ORDER BY 1) AS indexes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND {_not_of_extension('pg_class', 'c')}
    ORDER BY c.oid::regclass::text COLLATE "C"
"""

_SEQUENCES = f"""
    SELECT s.oid::regclass::text AS name, format_type(q.seqtypid, NULL) AS type, q.seqincrement AS step,
           q.seqmin AS lowest, q.seqmax AS highest, q.seqstart AS start, q.seqcache AS cache, q.seqcycle AS cycles
    FROM pg_class s JOIN pg_sequence q ON q.seqrelid = s.oid JOIN pg_namespace n ON n.oid = s.relnamespace
    WHERE s.relkind = 'S' AND {_not_of_extension('pg_class', 's')} AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
            OR d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid AND d.classid = 'pg_attrdef'::regclass)
    ORDER BY s.oid::regclass::text COLLATE "C"
"""

_TRIGGERS = f"""
    SELECT quote_ident(t.tgname) AS bare, r.oid::regclass::text AS table, t.tgenabled::text AS enabled,
           pg_get_triggerdef(t.oid, true) AS definition
    FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE NOT t.tgisinternal AND coalesce((to_jsonb(t) ->> 'tgparentid')::oid, 0) = 0
      AND {_not_of_extension('pg_trigger', 't')} ORDER BY t.tgname, r.oid::regclass::text COLLATE "C"
"""

# What Postgres's own trigger functions for text search compute; a load fires no trigger.
_SEARCH = f"""
    SELECT r.oid::regclass::text || '.' || quote_ident(g.words[1]) AS name,
           format('UPDATE %s SET %I = to_tsvector(%s, %s)', r.oid::regclass, g.words[1],
                  CASE p.proname WHEN 'tsvector_update_trigger' THEN quote_literal(g.words[2]) || '::regconfig'
                       ELSE quote_ident(g.words[2]) END,
                  (SELECT string_agg(format('coalesce(%I::text, '''')', w.word), ' || '' '' || ' ORDER BY w.place)
                   FROM unnest(g.words[3:]) WITH ORDINALITY w(word, place))) AS statement
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class r ON r.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    CROSS JOIN LATERAL (SELECT string_to_array(encode(t.tgargs, 'escape'), '\\000') AS whole) a
    CROSS JOIN LATERAL (SELECT a.whole[:array_length(a.whole, 1) - 1] AS words) g
    WHERE p.proname IN ('tsvector_update_trigger', 'tsvector_update_trigger_column') AND t.tgenabled <> 'D'
      AND p.pronamespace = 'pg_catalog'::regnamespace AND {_not_of_extension('pg_class', 'r')}
    ORDER BY 1
"""

_RULES = f"""
    SELECT quote_ident(w.rulename) AS bare, r.oid::regclass::text AS table, w.ev_enabled::text AS enabled,
           pg_get_ruledef(w.oid, true) AS definition
    FROM pg_rewrite w JOIN pg_class r ON r.oid = w.ev_class JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE w.rulename <> '_RETURN' AND {_not_of_extension('pg_class', 'r')}
    ORDER BY w.rulename, r.oid::regclass::text COLLATE "C"
"""

_STAYING = f"""
    SELECT 'foreign table' AS kind, c.oid::regclass::text AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'f' AND {_not_of_extension('pg_class', 'c')}
    UNION ALL SELECT 'policy', quote_ident(p.polname) || ' on ' || p.polrelid::regclass::text FROM pg_policy p
    UNION ALL SELECT 'event trigger', e.evtname::text FROM pg_event_trigger e
    UNION ALL SELECT 'operator', o.oid::regoperator::text FROM pg_operator o
    JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {_not_of_extension('pg_operator', 'o')}
    UNION ALL SELECT 'text search configuration', g.cfgname::text FROM pg_ts_config g
    JOIN pg_namespace n ON n.oid = g.cfgnamespace WHERE {_not_of_extension('pg_ts_config', 'g')}
    ORDER BY 1, 2
"""

# What the rows go into, or pass through.
_EARLY = frozenset({"function", "inheritance", "partition"})
_SWITCHES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def read_objects(connection: Any) -> Iterator[DatabaseObject]:
    """Everything but types, in an order in which most of it can be created."""
    for row in connection.execute(_EXTENSIONS):
        statement = f"CREATE EXTENSION IF NOT EXISTS {POSTGRES.quote(row['name'])}"
        yield DatabaseObject("extension", row["name"], (statement,))
    for row in connection.execute(_NAMESPACES):
        yield DatabaseObject("schema", row["name"], (f"CREATE SCHEMA IF NOT EXISTS {row['name']}",))
    yield from map(_sequence, connection.execute(_SEQUENCES))
    yield from map(_function, connection.execute(_FUNCTIONS))
    yield from map(_part, connection.execute(_PARTS))
    for row in connection.execute(_PARTS_OF_PARTITIONS):
        yield DatabaseObject(row["kind"], row["name"], (row["definition"],), part_of_tables=True)
    yield from map(_view, connection.execute(_VIEWS))
    for row in connection.execute(_SEARCH):
        yield DatabaseObject("search column", row["name"], (row["statement"],), part_of_tables=True)
    yield from (_switched("trigger", row) for row in connection.execute(_TRIGGERS))
    yield from (_switched("rule", row) for row in connection.execute(_RULES))
    yield from (DatabaseObject(row["kind"], row["name"]) for row in connection.execute(_STAYING))


def _sequence(row: dict[str, Any]) -> DatabaseObject:
    statement = (
        f"CREATE SEQUENCE {row['name']} AS {row['type']} INCREMENT {row['step']} MINVALUE {row['lowest']} "
        f"MAXVALUE {row['highest']} START {row['start']} CACHE {row['cache']}{' CYCLE' if row['cycles'] else ''}"
    )
    return DatabaseObject("sequence", row["name"], (statement,))


def _function(row: dict[str, Any]) -> DatabaseObject:
    kind = {"a": "aggregate", "p": "procedure"}.get(row["kind"], "function")
    if kind == "aggregate":
        parts = {"SFUNC": row["step"], "STYPE": row["state"], "FINALFUNC": row["final"], "COMBINEFUNC": row["combine"]}
        parts["INITCOND"] = None if row["start"] is None else POSTGRES.literal(row["start"])
        statement = ", ".join(f"{name} = {value}" for name, value in parts.items() if value not in (None, "-"))
        return DatabaseObject(kind, row["name"], (f"CREATE AGGREGATE {row['name']} ({statement})",))
    statement = row["definition"].rstrip()
    if row["is_default"]:
        statement = statement.replace(row["qualified"], row["bare"], 1)
    return DatabaseObject(kind, row["name"], (statement,), part_of_tables=row["is_needed"])


def _part(row: dict[str, Any]) -> DatabaseObject:
    if not row["is_partition"]:
        statement = f"ALTER TABLE {row['name']} INHERIT {row['parent']}"
        return DatabaseObject("inheritance", f"{row['name']} of {row['parent']}", (statement,), part_of_tables=True)
    statement = f"CREATE TABLE {row['name']} PARTITION OF {row['parent']} {row['bound']}"
    statement += f" PARTITION BY {row['divided_by']}" if row["divided_by"] else ""
    return DatabaseObject("partition", row["name"], (statement,), part_of_tables=True)


def _view(row: dict[str, Any]) -> DatabaseObject:
    kind = "materialized view" if row["kind"] == "m" else "view"
    options = f" WITH ({row['options']})" if row["options"] else ""
    statement = f"CREATE {kind.upper()} {row['name']}{options} AS {row['definition'].strip().rstrip(';')}"
    return DatabaseObject(kind, row["name"], (statement, *row["indexes"]))


def _switched(kind: str, row: dict[str, Any]) -> DatabaseObject:
    """A trigger or a rule, off or for replicas where it is."""
    statements = [row["definition"].strip().rstrip(";")]
    if switch := _SWITCHES.get(row["enabled"]):
        statements.append(f"ALTER TABLE {row['table']} {switch} {kind.upper()} {row['bare']}")
    return DatabaseObject(kind, f"{row['bare']} on {row['table']}", tuple(statements))


def to_create(objects: Iterable[DatabaseObject], standing: Collection[DatabaseObject]) -> list[DatabaseObject]:
    """Those that a target lacks; what stands there stays as it is, but what is filled from rows is filled anew."""
    taken = {(found.kind, found.name) for found in standing}
    wanted = []
    for found in objects:
        if (found.kind, found.name) not in taken or found.kind == "search column":
            wanted.append(found)
        elif found.kind == "materialized view" and found.statements:
            wanted.append(replace(found, statements=(f"REFRESH MATERIALIZED VIEW {found.name}",)))
    return wanted


def create_early(connection: Any, objects: Iterable[DatabaseObject]) -> list[DatabaseObject]:
    """Create what tables need before rows come, as far as it can be by now; the objects that are left."""
    connection.execute("SET LOCAL check_function_bodies = off")
    objects = list(objects)
    early = dict.fromkeys(found for found in objects if found.part_of_tables and found.kind in _EARLY)
    failed = attempt(early, lambda found: _try(connection, found.statements))
    return [found for found in objects if found not in early or found in failed]


def fill(connection: Any, objects: Iterable[DatabaseObject], aimed: Callable[[str], str]) -> list[DatabaseObject]:
    """Compute what a trigger would have computed, before there are triggers; the objects that are left.

    Args:
        aimed: the statement for the place in which the rows stand for now.
    """
    objects = list(objects)
    columns = [found for found in objects if found.kind == "search column"]
    failed = attempt(columns, lambda found: _try(connection, map(aimed, found.statements)))
    return [found for found in objects if found.kind != "search column" or found in failed]


def create_late(connection: Any, objects: Iterable[DatabaseObject]) -> Failures:
    """Create the others once all rows are in, each in a savepoint of its own; what fails, and why."""
    connection.execute("SET LOCAL check_function_bodies = on")
    return attempt(objects, lambda found: _try(connection, found.statements))


def _try(connection: Any, statements: Iterable[str]) -> str | None:
    from psycopg import Error, errors

    try:
        with connection.transaction():  # a savepoint
            for statement in statements:
                connection.execute(statement, binary=True)  # one statement, and no second that it might hide
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        raise  # says nothing of the object: the whole exchange is tried again
    except Error as error:
        return error.diag.message_primary or str(error)
    return None
