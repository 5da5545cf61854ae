"""Live databases: `open_database(url)` gives an `Adapter` for SQLite, Postgres or MySQL/MariaDB."""
