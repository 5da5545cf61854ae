"""Postgres: new tables are built beside the old ones and take their place in a moment.

All of it is one transaction, so that a load that dies leaves nothing. The new tables stand in a schema of their own,
which nobody else ever sees; what takes long (rows, indexes, keys, statistics) happens there, while the old tables are
read as ever. Only then are the old tables locked, moved out, and the new ones moved in, and what hangs on a table's
name follows: grants, owner, comments, triggers, policies, sequences, publications, views, keys of other tables.

Rows are frozen as they come (`COPY … FREEZE`): a reader whose snapshot is older than the load, and who first asks for
a table after it, finds the whole new table and not an empty one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dbsynth.schema import Table

from .ddl import POSTGRES
from .postgres_catalog import scalar
from .postgres_lock import lock_tables

__all__ = ["Swap", "obstacles"]

def obstacles(connection: Any, oids: list[int]) -> list[str]:
    """What hangs on the tables themselves, not on their names, and would not follow new ones; a few words each."""
    return [row["what"] for row in connection.execute(_OBSTACLES, {"oids": oids})]


class Swap:
    """The new tables, and how they take the place of the old ones."""

    def __init__(self, connection: Any, oids: list[int]) -> None:
        """`oids` are those of the old tables, all of them without `obstacles`."""
        self._connection = connection
        self._oids = oids
        self._tables = connection.execute(_RELATIONS, [oids]).fetchall()
        mark = secrets.token_hex(4)
        namespaces = dict.fromkeys(row["namespace"] for row in self._tables)
        self._staging = {name: f"dbsynth_{mark}_{i}" for i, name in enumerate(namespaces)}
        self._quoted = POSTGRES.quote

    def place(self, table: Table, default: str) -> str:
        """The schema in which the new table stands for now."""
        return self._staging[table.namespace or default]

    def build(self) -> None:
        """The new tables, without rows and without what rows are dearer to bring in with."""
        for name in self._staging.values():
            for schema in (name, f"{name}_old"):
                self._run(f"CREATE SCHEMA {schema}")
        for row in self._tables:
            if row["owner"] != row["me"]:  # to whom the new table can only be given where he may have one
                self._run(f"GRANT CREATE, USAGE ON SCHEMA {self._staging[row['namespace']]} TO {row['owner']}")
        for row in self._tables:
            options = ", ".join(f"{name}={POSTGRES.literal(value)}" for name, value in _options(row))
            self._run(
                f"CREATE {'UNLOGGED ' * row['unlogged']}TABLE {self._new(row)} (LIKE {row['spelled']} "
                "INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS)"
                + (f" WITH ({options})" if options else "")
                + (f" TABLESPACE {row['tablespace']}" if row["tablespace"] else "")
            )
            for target in row["targets"] or ():
                self._run(f"ALTER TABLE {self._new(row)} ALTER COLUMN {target}")
        self._name_identities()

    def _name_identities(self) -> None:
        """Call the sequences of identity columns as the old ones are called, while they stand apart from all others.

        In two steps, since the names of one table's may be free only when another's are changed.
        """
        identities = [
            (self._staging[row["namespace"]], identity["sequence"], identity["name"])
            for row in self._tables
            for identity in self._connection.execute(_IDENTITY_NAMES, [row["spelled"], self._new(row)]).fetchall()
        ]
        for number, (_, sequence, _) in enumerate(identities):
            self._run(f"ALTER SEQUENCE {sequence} RENAME TO dbsynth_{number}")
        for number, (staging, _, name) in enumerate(identities):
            self._run(f"ALTER SEQUENCE {staging}.dbsynth_{number} RENAME TO {name}")

    def aimed(self, update: str) -> str:
        """An UPDATE, as the server spells it, of the new table where it names an old one."""
        for row in self._tables:
            start = f"UPDATE {row['called']} SET "
            if update.startswith(start):
                return f"UPDATE {self._new(row)} SET {update.removeprefix(start)}"
        return update

    def complete(self) -> None:
        """Keys, indexes, references among the new tables, statistics: what takes time and disturbs nobody."""
        rows = {row["oid"]: row for row in self._tables}
        with self._spelled_out():
            indexes = self._connection.execute(_INDEXES, [self._oids]).fetchall()
            keys = self._connection.execute(_INNER_KEYS, {"oids": self._oids}).fetchall()
        for index in indexes:
            table, name = self._new(rows[index["table"]]), index["name"]
            if index["constraint"]:
                self._run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {index['constraint']}")
            else:
                self._run(f"{index['head']} ON {table}{index['definition'].removeprefix(index['start'])}")
        for key in keys:
            rest = key["definition"].removeprefix(key["start"])
            parent = self._new(rows[key["parent"]])
            self._run(
                f"ALTER TABLE {self._new(rows[key['child']])} ADD CONSTRAINT {key['name']} {key['head']} {parent}{rest}"
            )
        for row in self._tables:
            self._run(f"ANALYZE {self._new(row)}")

    def exchange(self, also: Callable[[], None]) -> None:
        """Let the new tables take the place of the old ones; `also` does what else belongs to that moment.

        Raises:
            TargetError: a reader has not let go of a table for ten minutes.
        """

        def work() -> None:
            self._replace()
            also()
            self._drop()

        lock_tables(self._connection, self._oids, work)

    def _replace(self) -> None:
        with self._spelled_out():
            replay = [r["statement"] for r in self._connection.execute(_REPLAY, {"oids": self._oids})]
            outside = self._connection.execute(_OUTER_KEYS, {"oids": self._oids}).fetchall()
            sequences = self._connection.execute(_SERIAL_SEQUENCES, [self._oids]).fetchall()
            for key in outside:
                if key["drop"]:
                    self._run(key["drop"])
            for sequence in sequences:
                self._run(f"ALTER SEQUENCE {sequence['sequence']} OWNED BY NONE")
            for row in self._tables:
                self._move(row)
            for sequence in sequences:
                self._run(f"ALTER SEQUENCE {sequence['sequence']} OWNED BY {sequence['column']}")
            for statement in replay:
                self._run(statement)
            for key in outside:
                self._run(key["add"])

    def _drop(self) -> None:
        old = ", ".join(self._old(row) for row in self._tables)
        self._run(f"DROP TABLE {old}")  # refused where anything still hangs on one of them
        for name in self._staging.values():
            self._run(f"DROP SCHEMA {name}, {name}_old")

    def _move(self, row: dict[str, Any]) -> None:
        """The old table out, the new one in, with owner, grants and what else a table has of its own."""
        new, namespace = self._new(row), self._quoted(row["namespace"])
        staging = self._staging[row["namespace"]]
        if row["owner"] != row["me"]:
            self._run(f"ALTER TABLE {new} OWNER TO {row['owner']}")
        default = self._connection.execute(_GRANTEES, [new]).fetchall()  # what default privileges gave it
        granted = self._connection.execute(_GRANTS, {"oid": row["oid"]}).fetchall()
        if default or granted:
            for grantee in {row["owner"], *(r["grantee"] for r in default)}:
                self._run(f"REVOKE ALL ON {new} FROM {grantee}")
            if not row["has_acl"]:
                self._run(f"GRANT ALL ON {new} TO {row['owner']}")
            for grant in granted:
                self._run(f"GRANT {grant['privilege']} ON {new} TO {grant['grantee']}{grant['option']}")
        self._run(f"ALTER TABLE {row['spelled']} SET SCHEMA {staging}_old")
        self._run(f"ALTER TABLE {new} SET SCHEMA {namespace}")

    def _new(self, row: dict[str, Any]) -> str:
        return f"{self._staging[row['namespace']]}.{self._quoted(row['name'])}"

    def _old(self, row: dict[str, Any]) -> str:
        return f"{self._staging[row['namespace']]}_old.{self._quoted(row['name'])}"

    @contextmanager
    def _spelled_out(self) -> Iterator[None]:
        """The server writes every name in full, so that a statement means the same wherever it is run."""
        path = scalar(self._connection, "SELECT current_setting('search_path')")
        self._connection.execute("SELECT set_config('search_path', '', true)")
        yield
        self._connection.execute("SELECT set_config('search_path', %s, true)", [path])

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)


def _options(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for prefix, options in (("", row["options"]), ("toast.", row["toast_options"])):
        for option in options or ():
            name, _, value = option.partition("=")
            yield prefix + name, value


_RELATIONS = """
    SELECT c.oid, n.nspname AS namespace, c.relname AS name, format('%%I.%%I', n.nspname, c.relname) AS spelled,
           c.oid::regclass::text AS called,
           quote_ident(pg_get_userbyid(c.relowner)) AS owner, quote_ident(current_user) AS me,
           c.relpersistence = 'u' AS unlogged, c.reloptions AS options, t.reloptions AS toast_options,
           quote_ident(s.spcname) AS tablespace, c.relacl IS NOT NULL AS has_acl,
           (SELECT array_agg(format('%%I SET STATISTICS %%s', a.attname, a.attstattarget)) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0) AS targets
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    WHERE c.oid = ANY(%s) ORDER BY c.oid
"""

# Every object that depends on a table or on the type of its rows, but for those that the exchange takes along.
_OBSTACLES = """
    WITH load(oid, type) AS (
        SELECT oid, reltype FROM pg_class WHERE oid = ANY(%(oids)s)
    ), type(oid) AS (
        SELECT type FROM load UNION SELECT t.typarray FROM pg_type t JOIN load ON t.oid = load.type
    ), dependent AS (
        SELECT DISTINCT d.classid, d.objid FROM pg_depend d
        WHERE d.deptype IN ('n', 'a')
          AND (d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM load)
               OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT oid FROM type))
    ), ours AS (  -- objects that belong to a table, or that its exchange makes anew
        SELECT 'pg_constraint'::regclass AS class, oid FROM pg_constraint
        WHERE contype <> 'f' OR pg_has_role((SELECT relowner FROM pg_class r WHERE r.oid = conrelid), 'USAGE')
        UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relkind IN ('i', 'S', 't')
        UNION ALL SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM load)
        UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger
                  WHERE tgisinternal OR tgrelid IN (SELECT oid FROM load)
        UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid IN (SELECT oid FROM load)
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
        UNION ALL SELECT 'pg_publication_rel'::regclass, r.oid FROM pg_publication_rel r
                  JOIN pg_publication p ON p.oid = r.prpubid AND pg_has_role(p.pubowner, 'USAGE')
        UNION ALL SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w JOIN pg_class v ON v.oid = w.ev_class
                  WHERE v.oid IN (SELECT oid FROM load)
                     OR v.relkind = 'v' AND w.rulename = '_RETURN' AND pg_has_role(v.relowner, 'USAGE')
    )
    SELECT CASE WHEN w.oid IS NULL THEN pg_describe_object(d.classid, d.objid, 0)
                ELSE pg_describe_object('pg_class'::regclass, w.ev_class, 0) END || ' depends on it' AS what
    FROM dependent d LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
    WHERE (d.classid, d.objid) NOT IN (SELECT class, oid FROM ours)
    UNION
    SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) || ' is partitioned or inherits, or others do from it'
    FROM pg_class c
    WHERE c.oid IN (SELECT oid FROM load)
      AND (c.relkind = 'p' OR EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)))
    UNION
    SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) || ' belongs to another role'
    FROM pg_class c WHERE c.oid IN (SELECT oid FROM load) AND NOT pg_has_role(c.relowner, 'USAGE')
    ORDER BY 1
"""

# Indexes and the constraints that stand behind them. `start` is what the server's statement begins with.
_INDEXES = """
    SELECT i.indrelid AS table, quote_ident(c.relname) AS name,
           CASE WHEN k.oid IS NOT NULL THEN pg_get_constraintdef(k.oid) END AS constraint,
           pg_get_indexdef(c.oid) AS definition, head, head || format(' ON %%I.%%I', n.nspname, t.relname) AS start
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'),
    LATERAL (SELECT format('CREATE %%sINDEX %%I', CASE WHEN i.indisunique THEN 'UNIQUE ' END, c.relname)) AS h(head)
    WHERE i.indrelid = ANY(%s) AND i.indisvalid ORDER BY c.oid
"""

_KEY = """
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace m ON m.oid = p.relnamespace,
    LATERAL (SELECT format('FOREIGN KEY (%%s) REFERENCES', string_agg(quote_ident(a.attname), ', ' ORDER BY k.place))
             FROM unnest(c.conkey) WITH ORDINALITY k(number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS h(head),
    LATERAL (SELECT format('ALTER TABLE %%I.%%I', n.nspname, r.relname)) AS t(alter)
    WHERE c.contype = 'f' AND c.conparentid = 0
"""
_INNER_KEYS = f"""
    SELECT c.conrelid AS child, c.confrelid AS parent, quote_ident(c.conname) AS name,
           pg_get_constraintdef(c.oid) AS definition, head, head || format(' %%I.%%I', m.nspname, p.relname) AS start
    {_KEY} AND c.conrelid = ANY(%(oids)s) AND c.confrelid = ANY(%(oids)s) ORDER BY c.oid
"""
# Between a new table and one that is not part of the load, either way.
_OUTER_KEYS = f"""
    SELECT CASE WHEN c.confrelid = ANY(%(oids)s) THEN format('%%s DROP CONSTRAINT %%I', alter, c.conname) END AS drop,
           format('%%s ADD CONSTRAINT %%I %%s', alter, c.conname, pg_get_constraintdef(c.oid)) AS add
    {_KEY} AND (c.conrelid = ANY(%(oids)s)) <> (c.confrelid = ANY(%(oids)s)) ORDER BY c.oid
"""

# Sequences that a column owns by OWNED BY; those of identity columns come with the new table.
_SERIAL_SEQUENCES = """
    SELECT s.oid::regclass::text AS sequence, format('%%I.%%I.%%I', n.nspname, t.relname, a.attname) AS column
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
      AND t.oid = ANY(%s) ORDER BY 1
"""

# The sequences of identity columns that were called otherwise in the old table: old table, new table.
_IDENTITY_NAMES = """
    WITH owned AS (
        SELECT d.refobjid AS owner, a.attname, s.oid, s.relname FROM pg_depend d
        JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
    )
    SELECT new.oid::regclass::text AS sequence, quote_ident(old.relname) AS name
    FROM owned old JOIN owned new USING (attname)
    WHERE old.owner = %s::regclass AND new.owner = %s::regclass AND old.relname <> new.relname
"""

_GRANTEES = """
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
    FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %s::regclass
"""
_GRANTS = """
    SELECT a.privilege_type || columns AS privilege,
           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option
    FROM (SELECT relacl AS acl, '' AS columns FROM pg_class WHERE oid = %(oid)s
          UNION ALL SELECT attacl, format(' (%%I)', attname) FROM pg_attribute
                    WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped) AS place,
         aclexplode(acl) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, number)
    ORDER BY columns, number
"""

# What is said of a table by its name, in statements to be said again of the new one: in this order.
_REPLAY = """
    WITH load AS (
        SELECT c.*, format('%%I.%%I', n.nspname, c.relname) AS spelled, n.nspname
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY(%(oids)s)
    ), state(code, word) AS (VALUES ('D', 'DISABLE'), ('A', 'ENABLE ALWAYS'), ('R', 'ENABLE REPLICA')),
    statement(step, number, text) AS (
        SELECT 1, oid, CASE relreplident WHEN 'n' THEN format('ALTER TABLE %%s REPLICA IDENTITY NOTHING', spelled)
                       WHEN 'f' THEN format('ALTER TABLE %%s REPLICA IDENTITY FULL', spelled) END FROM load
        UNION ALL
        SELECT 1, i.indexrelid, format('ALTER TABLE %%s REPLICA IDENTITY USING INDEX %%I', spelled, x.relname)
        FROM load JOIN pg_index i ON i.indrelid = load.oid AND i.indisreplident JOIN pg_class x ON x.oid = i.indexrelid
        UNION ALL
        SELECT 1, i.indexrelid, format('ALTER TABLE %%s CLUSTER ON %%I', spelled, x.relname)
        FROM load JOIN pg_index i ON i.indrelid = load.oid AND i.indisclustered JOIN pg_class x ON x.oid = i.indexrelid
        UNION ALL
        SELECT 2, x.oid, format('DROP STATISTICS %%I.%%I; %%s', m.nspname, x.stxname, pg_get_statisticsobjdef(x.oid))
        FROM load JOIN pg_statistic_ext x ON x.stxrelid = load.oid JOIN pg_namespace m ON m.oid = x.stxnamespace
        UNION ALL
        SELECT 3, t.oid, pg_get_triggerdef(t.oid) FROM load JOIN pg_trigger t ON t.tgrelid = load.oid
        WHERE NOT t.tgisinternal
        UNION ALL
        SELECT 4, t.oid, format('ALTER TABLE %%s %%s TRIGGER %%I', spelled, word, t.tgname)
        FROM load JOIN pg_trigger t ON t.tgrelid = load.oid JOIN state ON state.code = t.tgenabled::text
        WHERE NOT t.tgisinternal
        UNION ALL
        SELECT 3, w.oid, pg_get_ruledef(w.oid) FROM load JOIN pg_rewrite w ON w.ev_class = load.oid
        UNION ALL
        SELECT 4, w.oid, format('ALTER TABLE %%s %%s RULE %%I', spelled, word, w.rulename)
        FROM load JOIN pg_rewrite w ON w.ev_class = load.oid JOIN state ON state.code = w.ev_enabled::text
        UNION ALL
        SELECT 3, p.oid, format('CREATE POLICY %%I ON %%s AS %%s FOR %%s TO %%s', p.polname, spelled,
                   CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                   CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                 WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                   (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ')
                    FROM unnest(p.polroles) role))
               || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
               || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
        FROM load JOIN pg_policy p ON p.polrelid = load.oid
        UNION ALL
        SELECT 4, oid, format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', spelled) FROM load WHERE relrowsecurity
        UNION ALL
        SELECT 4, oid, format('ALTER TABLE %%s FORCE ROW LEVEL SECURITY', spelled) FROM load WHERE relforcerowsecurity
        UNION ALL
        SELECT 5, r.oid, format('ALTER PUBLICATION %%I ADD TABLE %%s', p.pubname, spelled)
               || coalesce((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
                            FROM jsonb_array_elements(nullif(to_jsonb(r) -> 'prattrs', 'null')) k(number)
                            JOIN pg_attribute a ON a.attrelid = load.oid AND a.attnum = k.number::int), '')
               || coalesce((SELECT format(' WHERE (%%s)', to_jsonb(t) ->> 'rowfilter') FROM pg_publication_tables t
                            WHERE t.pubname = p.pubname AND t.schemaname = nspname AND t.tablename = relname
                              AND to_jsonb(t) ->> 'rowfilter' IS NOT NULL), '')
        FROM load JOIN pg_publication_rel r ON r.prrelid = load.oid JOIN pg_publication p ON p.oid = r.prpubid
        UNION ALL
        SELECT 6, v.oid, format('CREATE OR REPLACE VIEW %%I.%%I', n.nspname, v.relname)
               || coalesce((SELECT ' WITH (' || string_agg(format('%%s=%%L', split_part(o, '=', 1),
                                                                  substr(o, strpos(o, '=') + 1)), ', ') || ')'
                            FROM unnest(v.reloptions) o), '')
               || ' AS ' || pg_get_viewdef(v.oid)
        FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
        WHERE v.relkind = 'v' AND EXISTS (
            SELECT FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            JOIN load ON d.refclassid = 'pg_class'::regclass AND d.refobjid = load.oid WHERE w.ev_class = v.oid)
        UNION ALL
        SELECT 7, oid, format('COMMENT ON TABLE %%s IS %%L', spelled, obj_description(oid, 'pg_class')) FROM load
        UNION ALL
        SELECT 7, i.indexrelid,
               format('COMMENT ON INDEX %%I.%%I IS %%L', nspname, x.relname, obj_description(x.oid, 'pg_class'))
        FROM load JOIN pg_index i ON i.indrelid = load.oid JOIN pg_class x ON x.oid = i.indexrelid
        WHERE obj_description(x.oid, 'pg_class') IS NOT NULL
        UNION ALL
        SELECT 8, c.oid, format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', c.conname, spelled,
                                obj_description(c.oid, 'pg_constraint'))
        FROM load JOIN pg_constraint c ON c.conrelid = load.oid
        WHERE obj_description(c.oid, 'pg_constraint') IS NOT NULL
          AND (c.contype IN ('p', 'u', 'x') OR c.contype = 'f' AND c.confrelid IN (SELECT oid FROM load))
        UNION ALL
        SELECT 8, t.oid, format('COMMENT ON TRIGGER %%I ON %%s IS %%L', t.tgname, spelled,
                                obj_description(t.oid, 'pg_trigger'))
        FROM load JOIN pg_trigger t ON t.tgrelid = load.oid WHERE obj_description(t.oid, 'pg_trigger') IS NOT NULL
        UNION ALL
        SELECT 8, p.oid, format('COMMENT ON POLICY %%I ON %%s IS %%L', p.polname, spelled,
                                obj_description(p.oid, 'pg_policy'))
        FROM load JOIN pg_policy p ON p.polrelid = load.oid WHERE obj_description(p.oid, 'pg_policy') IS NOT NULL
    )
    SELECT text AS statement FROM statement WHERE text IS NOT NULL ORDER BY step, number
"""
