"""The embedded server's process: found, started, watched and ended. Known by its wire only."""
