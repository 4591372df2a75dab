"""A model chooses recipe, columns and parameters under a schema, where it measures better.

`schema` and `prompt` say what is asked, `picking` what an answer means, `chooser` asks an
endpoint, `measurements` holds what was measured, and `policies` decides by it who chooses.
"""
