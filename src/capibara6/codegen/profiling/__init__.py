"""What a data file holds, seen from the host with the standard library alone and with bounded work.

Knows nothing of questions or programs.
"""

from capibara6.codegen.profiling.layout import Layout, Table
from capibara6.codegen.profiling.profile import file_layout, profile_file, sample_table

__all__ = ["Layout", "Table", "file_layout", "profile_file", "sample_table"]
