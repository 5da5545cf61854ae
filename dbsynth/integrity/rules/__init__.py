"""Rules between columns: what every real row obeys, with evidence against chance, and every synthetic row is held to.

`find` looks for them, `evidence` says which are believed, `hold` makes synthetic rows obey. Where it can be, a rule is
part of how rows are made: a column that others fix is not learned but computed after them, columns of which one fixes
another are coded together. What a parent bounds is drawn as it is, and rows out of bounds exchange values.
"""
