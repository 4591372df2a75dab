"""Requests that a web page has a browser send, perhaps behind its user's back.

A browser says of such a request whose page it is for (`Origin`), and newer ones how far that page
is from the server asked (`Sec-Fetch-Site`: https://www.w3.org/TR/fetch-metadata/). Programs say
neither, and no page can leave them out or forge them.
"""

from typing import Final

from starlette.datastructures import Headers

READING: Final = frozenset({"GET", "HEAD"})
_FOREIGN: Final = frozenset({"cross-site", "same-site"})


def is_foreign(headers: Headers) -> bool:
    """Whether a page of another origin than the server asked had the request sent."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host", ""):
        return True
    return headers.get("sec-fetch-site", "").lower() in _FOREIGN


def is_visit(method: str, headers: Headers) -> bool:
    """Whether a user goes to the address, as by a link: nobody's script reads what comes."""
    return (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
