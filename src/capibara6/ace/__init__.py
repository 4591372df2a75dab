"""ACE: learning from executions. Here, the collection of what it will learn from."""

from capibara6.ace.listener import LessonListener

__all__ = ["LessonListener"]
