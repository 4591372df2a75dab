"""Measures models by running the programs they write on suites of tasks with tests.

Owns suites, examinations in sandboxes, samples and scores. A model is a tier of the configuration;
the reference solutions of a suite are a model too, which measures the sandboxes.
"""
