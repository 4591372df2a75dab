"""Search: of several candidate programs for one question, the one to keep.

Pure but for nothing: what a question says of the right answer (`examples`, `signature`, `probes`),
the cell that finds out what a candidate does (`examination`), and the choice (`choice`). It runs
nothing; sandboxes and models belong to those who ask.
"""
