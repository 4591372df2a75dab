"""capibara6: AI models that act, by running the code they write in isolated sandboxes."""

__version__ = "0.1.0"
