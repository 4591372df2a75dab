"""The classes of failure. They are stored and counted, so a name never changes its meaning."""

from typing import Final

KINDS: Final = frozenset(
    {
        "ambiguous_truth",  # a whole column where one truth value is wanted
        "arguments",  # a call with arguments that the function does not take
        "assertion",
        "attribute",  # an attribute that never was there
        "attribute_removed",  # one that newer versions of a package have no more
        "bad_value",  # a value that cannot be read: dates, numbers with commas, odd parameters
        "disk_full",
        "empty_data",
        "encoding",
        "exit",  # the program ended itself
        "file_access",  # a folder for a file, or a place it may not write to
        "file_format",
        "index",  # a position or row label that does not exist
        "input",  # it waits for someone to type
        "interrupted",
        "killed_kernel",
        "memory",  # Python could not allocate
        "missing_file",
        "missing_module",
        "missing_name",  # a name that a module does not have
        "missing_values",
        "name",
        "network_denied",
        "other",
        "out_of_memory",  # the sandbox's limit
        "output_limit",
        "processes",
        "recursion",
        "shape",
        "syntax",
        "timeout",
        "too_few_rows",
        "type_mismatch",
        "unknown_column",
        "unknown_key",
        "zero_division",
    }
)
