"""Recipes: tested analysis programs that answer common questions about a table without a model."""

from capibara6.codegen.recipes.writer import RecipeWriter

__all__ = ["RecipeWriter"]
