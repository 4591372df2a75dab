"""Asks one tier's model for a choice under the schema: temperature 0, few tokens, little time."""

import asyncio
import importlib
import json
import math
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from capibara6.codegen.attempts import AttemptFailed, FailureKind
from capibara6.codegen.choosing.picking import UnusableChoiceError, picked
from capibara6.codegen.choosing.prompt import choice_messages
from capibara6.codegen.choosing.schema import Schema, choice_schema
from capibara6.codegen.recipes.asked import Asked
from capibara6.codegen.recipes.choice import Picked
from capibara6.codegen.reply import Reply
from capibara6.codegen.tiers import ModelTier

CHOICE_S_MAX: Final = 60.0
CHOICE_TOKENS_MAX: Final = 200
_ANSWER_BYTES_MAX: Final = 16 * 1024
_CHARS_PER_TOKEN: Final = 4  # for an estimate

# How endpoints want to be told a schema: OpenAI, vLLM, Ollama and llama.cpp's own server, then the
# server of llama-cpp-python, which fails (500) on the first.
_FORMS: Final[tuple[Callable[[Schema], dict[str, Any]], ...]] = (
    lambda schema: {
        "type": "json_schema",
        "json_schema": {"name": "choice", "strict": True, "schema": schema},
    },
    lambda schema: {"type": "json_object", "schema": schema},
)
# Failures that another form may mend; a slow or busy endpoint is not asked twice.
_OF_FORM: Final = frozenset((FailureKind.NO_CONNECTION, FailureKind.REFUSED, FailureKind.UNUSABLE))


class ModelChooser:
    """Chooses recipe, columns and parameters with the model of one tier.

    Args:
        tier: which model, where.
    """

    def __init__(self, tier: ModelTier) -> None:
        self._tier = replace(
            tier,
            temperature=0.0,
            tokens_max=min(tier.tokens_max, CHOICE_TOKENS_MAX),
            timeout_s=min(tier.timeout_s, CHOICE_S_MAX),
            first_token_timeout_s=min(tier.first_token_timeout_s, CHOICE_S_MAX),
            answer_bytes_max=_ANSWER_BYTES_MAX,
        )
        self._form = 0  # the one that worked last

    @property
    def model(self) -> str:
        """The model's name at its endpoint."""
        return self._tier.model

    async def pick(self, asked: Asked) -> Picked:
        """Choose for a question about a table whose columns are known.

        Raises:
            UnusableChoiceError: the endpoint failed or took too long, or its answer is no choice.
        """
        reply = Reply()
        try:
            async with asyncio.timeout(CHOICE_S_MAX):
                await self._ask(asked, reply)
        except AttemptFailed as failure:
            raise UnusableChoiceError(failure.cause) from None
        except TimeoutError:
            raise UnusableChoiceError(f"it did not choose within {CHOICE_S_MAX:g} s") from None
        choice = picked(reply.text, asked)
        prompt, completion = self._tokens(asked, reply)
        cost = self._tier.cost_usd(prompt, completion)
        return Picked(choice, self._tier.model, prompt, completion, cost)

    def _tokens(self, asked: Asked, reply: Reply) -> tuple[int, int]:
        """As the endpoint counts them, or an estimate; it is left early, and may not have."""
        messages = choice_messages(asked.question, asked.columns)
        said = sum(len(message["content"]) for message in messages)
        prompt = reply.prompt_tokens or math.ceil(said / _CHARS_PER_TOKEN)
        return prompt, reply.completion_tokens or math.ceil(reply.chars / _CHARS_PER_TOKEN)

    async def _ask(self, asked: Asked, reply: Reply) -> None:
        schema = choice_schema(asked.columns)
        forms = [self._form, *(n for n in range(len(_FORMS)) if n != self._form)]
        for form in forms:
            try:
                await self._stream(_FORMS[form](schema), asked, reply)
            except AttemptFailed as failure:
                if failure.kind not in _OF_FORM or form == forms[-1] or reply.has_begun:
                    raise
            else:
                self._form = form
                return

    async def _stream(self, form: dict[str, Any], asked: Asked, reply: Reply) -> None:
        # A second of imports, in a thread so that other runs go on meanwhile.
        module = await asyncio.to_thread(importlib.import_module, "capibara6.codegen.endpoint")
        endpoint = module.Endpoint(self._tier, {"response_format": form})
        messages = choice_messages(asked.question, asked.columns)
        async with aclosing(endpoint.stream(messages, reply)) as pieces:
            async for _ in pieces:
                if _is_whole(reply.text):
                    return  # some models go on with blanks after the answer


def _is_whole(text: str) -> bool:
    if not text.rstrip().endswith("}"):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
