"""The types that stages exchange. Owns no behaviour beyond their own invariants; no imports."""
