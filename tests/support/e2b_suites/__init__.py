"""E2B's own test suites, run on a server of ours: fetched, surrounded, told as a table.

Nothing of theirs is kept here: who runs them has copies of their repositories.
"""
