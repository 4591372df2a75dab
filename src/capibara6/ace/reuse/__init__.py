"""Recipes of the playbook answer later requests without a model, or stay silent.

A program that was proven is kept with the form of its question: its words, and slots for the
columns, values, numbers and texts that were one request's own. A later request is answered only
where its form is the same word for word, every slot that differs is a parameter of the program, and
the data are such as the program was made for. In doubt the usual path follows.
"""

from capibara6.ace.reuse.cookbook import Cookbook
from capibara6.ace.reuse.facts import ReadTable, Written

__all__ = ["Cookbook", "ReadTable", "Written"]
