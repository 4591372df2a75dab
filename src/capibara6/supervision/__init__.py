"""The embedded server's process: found, started, watched and ended. It is known by its wire only."""
