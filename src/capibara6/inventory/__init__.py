"""What the packages installed in a template hold: modules, names, signatures, versions.

Looked up, not remembered: a program in a sandbox imports the packages and writes down their names
(`scan`); the host only reads what it wrote. For whoever explains an error by the installed
versions, learns from it, or checks a program before it runs. Knows nothing of failures, lessons
or rules.
"""

from capibara6.inventory.index import Entry, Inventory, Missing
from capibara6.inventory.signatures import Signature
from capibara6.inventory.stock import Stock
from capibara6.inventory.uses import Use, uses

__all__ = ["Entry", "Inventory", "Missing", "Signature", "Stock", "Use", "uses"]
