"""Measures the learners on files of recorded outcomes: public sets, or a user's own logs.

Owns reading those files and the metrics; the learners themselves are those of the product.
"""
