"""Rules between columns that every real row obeys: found, told, and kept in synthetic rows."""
