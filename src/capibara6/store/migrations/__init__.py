"""The database's history, applied by Alembic when a store opens."""

HEAD = "0005"  # the newest revision; a test compares it with the files
