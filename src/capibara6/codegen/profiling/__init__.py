"""What a data file holds, seen from the host with the standard library alone and with bounded work.

Knows nothing of questions or programs. `profile_file` is the whole interface; `sample_table` gives the
sampled cells to those who look for values.
"""

from capibara6.codegen.profiling.profile import Table, profile_file, sample_table

__all__ = ["Table", "profile_file", "sample_table"]
