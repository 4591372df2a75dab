"""Recipes: tested analysis programs that answer common questions about a table without a model."""
