"""The embedded server's process: found, started and ended; known by its wire only."""
