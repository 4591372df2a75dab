"""Checks of a program before it runs: cheap, exact advice; never the security boundary."""
