"""What a tier of models is: one model behind one endpoint, with its price and limits."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class ModelTier:
    """One OpenAI-compatible model.

    Attributes:
        name: the tier's name in e2b_config.json, such as "balanced".
        base_url: up to and including the version, such as "http://127.0.0.1:11434/v1".
        api_key: None for endpoints that want none.
        timeout_s: for one whole answer.
        first_token_timeout_s: until the first token; a local server may load the model first.
        tokens_max: of one answer.
        context_tokens: of prompt and answer together.
        answer_bytes_max: an answer is stopped beyond it, whatever `tokens_max` the endpoint obeys.
    """

    name: str
    base_url: str
    model: str
    api_key: SecretStr | None = None
    usd_per_million_tokens_in: float = 0.0
    usd_per_million_tokens_out: float = 0.0
    timeout_s: float = 120.0
    first_token_timeout_s: float = 90.0
    tokens_max: int = 4096
    context_tokens: int = 8192
    temperature: float = 0.2
    answer_bytes_max: int = 512 * 1024

    @property
    def address(self) -> str:
        """The endpoint as messages may name it: no user, password or query."""
        return public_address(self.base_url)

    @property
    def prompt_tokens_max(self) -> int:
        """What is left for the prompt; never less than a quarter of the context."""
        return max(self.context_tokens - self.tokens_max, self.context_tokens // 4)

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Price of one answer."""
        dollars = prompt_tokens * self.usd_per_million_tokens_in
        dollars += completion_tokens * self.usd_per_million_tokens_out
        return dollars / 1_000_000


def public_address(url: str) -> str:
    """An address without what could be a secret in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
