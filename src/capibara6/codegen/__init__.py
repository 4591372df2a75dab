"""From a request to a program: models behind endpoints, recipes where there is none, profiling."""
