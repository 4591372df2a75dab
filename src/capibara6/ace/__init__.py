"""ACE (Zhang et al. 2025): a playbook of lessons that runs write and later prompts are given.

The reflector turns a repair into a lesson, the curator merges deltas into the playbook without
rewriting it, and what a request needs of it is recalled within a budget. It never asks a sandbox
for anything, and a fault in it costs no run.
"""

from capibara6.ace.curator import Curator
from capibara6.ace.learning import PlaybookListener
from capibara6.ace.listener import LessonListener
from capibara6.ace.recall import Recaller

__all__ = ["Curator", "LessonListener", "PlaybookListener", "Recaller"]
