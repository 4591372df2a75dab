"""What is kept of an API key: whose it is and what it may take, never the key itself."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

TEAM_DEFAULT: Final = "default"  # whose everything is that was made before there were teams


class KeyLimits(BaseModel):
    """What the holder of a key may take; 0 for no limit of the key's own."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    sandboxes: Annotated[int, Field(ge=0)] = 0  # that run at a time
    requests_s: Annotated[float, Field(ge=0)] = 0  # a second, in the long run
    bytes_s: Annotated[float, Field(ge=0)] = 0  # of bodies, both ways, a second, in the long run


class KeyRecord(BaseModel):
    """A key."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    name: str
    team: str = TEAM_DEFAULT  # all keys of a team see the same sandboxes, templates and so on
    digest: str = Field(repr=False)  # SHA-256 of the key, in hex
    limits: KeyLimits = KeyLimits()
    created_at: datetime
