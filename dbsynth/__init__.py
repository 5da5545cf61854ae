"""Learn a relational database and write a synthetic one: same tables, keys and statistics, none of its rows."""

import os

# Read by OpenMP when torch is loaded. Threads that wait for one another then sleep instead of spinning: on cores that
# other processes use too, spinning makes training several times slower; on idle ones it gains next to nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
