"""New rows in the same tables of MySQL or MariaDB, and the grants that a load needs."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from family import FAMILY, WHOLE, write

from adapters import Mode, open_database
from dbsynth.errors import TargetError


def test_in_place_needs_no_other_database(mysql_url, sql):
    sql(mysql_url, FAMILY)
    name = urlsplit(mysql_url).path[1:]
    user = f"u{name[-12:]}"
    sql(mysql_url, f"CREATE USER {user}@'%' IDENTIFIED BY 'pw'")
    try:
        sql(mysql_url, f"GRANT SELECT, INSERT, DELETE ON {name}.* TO {user}@'%'")
        target = open_database(mysql_url.replace("root", f"{user}:pw"))
        schema = target.read_schema()
        with pytest.raises(TargetError, match="--replace in-place"), target.load(schema, Mode.REPLACE):
            pass
        with target.load(schema, Mode.IN_PLACE) as load:
            write(load, schema, 1)
        assert sql(mysql_url, WHOLE) == [(1, 1, 1, 2)]
        sql(mysql_url, "CREATE TRIGGER t BEFORE INSERT ON sale FOR EACH ROW SET NEW.made = 9")
        with pytest.raises(TargetError, match="trigger 't'"):
            open_database(mysql_url).check_target(schema, Mode.IN_PLACE)
    finally:
        sql(mysql_url, f"DROP USER {user}@'%'")


def test_the_grants_that_the_documents_list_are_enough(mysql_url, sql):
    """For a load that is swapped in, with triggers, and keys of other tables."""
    name = urlsplit(mysql_url).path[1:]
    user = f"v{name[-12:]}"
    trigger = "CREATE TRIGGER t BEFORE INSERT ON sale FOR EACH ROW SET @made = NEW.made"
    sql(mysql_url, FAMILY + f"""
        CREATE TABLE review (sale integer, CONSTRAINT review_sale FOREIGN KEY (sale) REFERENCES sale (id));
        CREATE VIEW seen AS SELECT made FROM sale;
        {trigger}
    """)
    sql(mysql_url, f"CREATE USER {user}@'%' IDENTIFIED BY 'pw'")
    try:
        rights = "SELECT, INSERT, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER"
        for place in (name, name.replace("_", r"\_") + r"\_\_dbsynth\_%"):
            sql(mysql_url, f"GRANT {rights} ON `{place}`.* TO {user}@'%'")
        sql(mysql_url, f"UPDATE {name}.sale SET made = 0")
        mine = mysql_url.replace("root", f"{user}:pw")
        target = open_database(mine)
        schema = target.read_schema().tables_only.restrict(["author", "book", "sale"])
        with pytest.raises(TargetError, match="'t' of table 'sale' is another user's"):
            target.load(schema, Mode.REPLACE).__enter__()
        sql(mysql_url, "DROP TRIGGER t")
        sql(mine, trigger)
        before = sql(mysql_url, f"SELECT * FROM mysql.db WHERE User = '{user}'")
        with target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
            assert load.validate() == []
        assert sql(mysql_url, WHOLE) == [(1, 1, 1, 2)]
        assert sql(mysql_url, "SELECT DISTINCT made FROM seen") == [(1,)]
        assert [row[0] for row in sql(mysql_url, "SHOW TRIGGERS")] == ["t"]
        assert sql(mysql_url, f"SELECT * FROM mysql.db WHERE User = '{user}'") == before
    finally:
        sql(mysql_url, f"DROP USER {user}@'%'")
