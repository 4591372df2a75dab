"""Spanish and English as questions use them: words, which language, which columns are meant.

Shared by the router and the recipes; knows nothing of tasks, programs or models.
"""
