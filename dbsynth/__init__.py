"""Learn a relational database and write a synthetic one: same tables, keys and statistics, none of its rows."""
