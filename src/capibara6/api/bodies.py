"""What clients send: the JSON bodies, typed, with nothing unknown let through."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from capibara6.domain.executions import ExecutionRequest
from capibara6.domain.programs import Example
from capibara6.domain.requests import CANDIDATES_MAX
from capibara6.errors import DataFileError
from capibara6.validation.proving import EXAMPLES_MAX, Claim

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
EnvValue = Annotated[str, Field(max_length=32 * 1024, pattern=r"^[^\x00]*$")]


class Body(BaseModel):
    """Base: an unknown field is refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class FileBody(Body):
    """A file's content: `{"text": ...}`, or `{"base64": ...}` for what is not text."""

    text: str | None = None
    base64: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.text is None) == (self.base64 is None):
            raise ValueError("give either text or base64")
        return self


Files = Annotated[
    dict[str, str | FileBody],
    Field(
        description='Name → text, or → {"base64": "…"} for what is not text.',
        examples=[{"sales.csv": "month,units\nJan,3\n", "scan.png": {"base64": "iVBORw0="}}],
    ),
]


class ExecuteBody(Body):
    """A program to run as it is."""

    code: str
    language: str = "python"
    template: str = "default"
    timeout: Annotated[float | None, Field(description="Seconds; null: the template's.")] = None
    env: dict[EnvName, EnvValue] = Field(default_factory=dict)
    files: Files = Field(default_factory=dict)
    stream: Annotated[bool, Field(description="Answer with server-sent events.")] = False

    def execution(self) -> ExecutionRequest:
        """The request in the platform's own terms.

        Raises:
            DataFileError: a file is not what it says.
        """
        return ExecutionRequest(
            self.code,
            self.language,
            self.template,
            self.timeout,
            dict(self.env),
            contents(self.files),
        )


class ExampleBody(Body):
    """An expression and what it must equal, both in Python."""

    call: Annotated[str, Field(max_length=20_000, examples=["mean([1, 3])"])]
    expected: Annotated[str, Field(max_length=20_000, examples=["2"])]


class ValidateBody(Body):
    """A program, and what it is to do."""

    code: str
    language: str = "python"
    template: str = "default"
    timeout: Annotated[float | None, Field(description="Seconds; null: the template's.")] = None
    files: Files = Field(default_factory=dict)
    examples: Annotated[list[ExampleBody], Field(max_length=EXAMPLES_MAX)] = []
    tests: Annotated[str, Field(description="Python: asserts, test_*, TestCase.")] = ""
    run: Annotated[bool, Field(description="Also without examples and tests.")] = False

    def claim(self) -> Claim:
        """The claim in the platform's own terms.

        Raises:
            DataFileError: a file is not what it says.
        """
        return Claim(
            self.code,
            self.language,
            self.template,
            self.timeout,
            contents(self.files),
            examples_of(self.examples),
            self.tests,
            self.run,
        )


class VerdictBody(Body):
    """What a user says of an answer."""

    good: bool


class QueryBody(Body):
    """A question in plain language; with `candidates`, the best of so many programs answers."""

    question: str
    files: Files = Field(default_factory=dict)
    template: Annotated[str | None, Field(description="null: the router chooses.")] = None
    tier: Annotated[str | None, Field(description='"recipe" or a tier; null: chosen.')] = None
    timeout: Annotated[float | None, Field(description="Seconds; null: the template's.")] = None
    candidates: Annotated[
        int | None,
        Field(ge=1, le=CANDIDATES_MAX, description="Programs to choose among; null: the tier's."),
    ] = None
    examples: Annotated[
        list[ExampleBody],
        Field(max_length=EXAMPLES_MAX, description="What the program must give."),
    ] = []
    tests: Annotated[str, Field(description="Python that raises where the program is wrong.")] = ""
    stream: Annotated[bool, Field(description="Answer with server-sent events.")] = False


def examples_of(found: Sequence[ExampleBody]) -> tuple[Example, ...]:
    """The examples in the platform's own terms."""
    return tuple(Example(one.call, one.expected) for one in found)


def contents(files: Mapping[str, str | FileBody]) -> dict[str, bytes]:
    """The files' bytes by name.

    Raises:
        DataFileError: invalid base64, or text that UTF-8 cannot hold.
    """
    return {name: _content(name, file) for name, file in files.items()}


def _content(name: str, file: str | FileBody) -> bytes:
    try:
        if isinstance(file, FileBody) and file.base64 is not None:
            return base64.b64decode(file.base64, validate=True)
        text = file.text if isinstance(file, FileBody) else file
        return (text or "").encode()
    except binascii.Error as cause:
        raise DataFileError(name, f"invalid base64 ({cause})", "Encode it anew.") from None
    except UnicodeEncodeError:
        raise DataFileError(name, "text with lone surrogates", "Send it as base64.") from None
