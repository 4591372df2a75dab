"""Every error the platform raises on purpose.

    CapibaraError                     code               meant for
    ├── ConfigurationError            configuration      a wrong or missing setting
    │   └── MissingKeyError           missing_key        a provider asked for without its key
    ├── RequestError                  bad_request        a request that cannot be served as it is
    │   ├── UnknownTemplateError      unknown_template
    │   ├── UnknownLanguageError      unknown_language
    │   ├── UnknownTierError          unknown_tier
    │   ├── UnknownRecordError        not_found
    │   ├── DataFileError             data_file          an input file that cannot be used
    │   ├── ModelFileError            model_file         a file that is no usable model
    │   ├── LocalModelError           local_model        a model that cannot be added or found
    │   ├── NoRecipeError             no_recipe          a question that no recipe can answer
    │   └── TooLargeError             too_large
    ├── ProviderError                 provider           the sandbox provider, not the program
    │   ├── ProviderUnreachableError  provider_unreachable
    │   └── SandboxLostError          sandbox_lost       the sandbox ended under a running program
    ├── ModelError                    model              a model endpoint failed
    │   ├── ModelUnreachableError     model_unreachable
    │   ├── ModelBusyError            model_busy         429 or overload after all retries
    │   ├── ModelReplyError           model_reply        an answer without a usable program
    │   └── EngineError               engine             what serves local models is not there
    └── AccessError                   access             a wrong or missing API key

A user's program that fails is not an error here: it is data (`ExecutionResult.error`).
Each class builds its own message: what was wrong, with which value, and what to do.
"""

from collections.abc import Sequence


class CapibaraError(Exception):
    """Base of all errors raised on purpose; `code` is stable and machine-readable."""

    code = "error"


class ConfigurationError(CapibaraError):
    """A setting has a wrong value; nothing is started with it."""

    code = "configuration"

    def __init__(self, setting: str, value: object, problem: str, remedy: str) -> None:
        self.setting = setting
        super().__init__(f"{setting} = {value!r}: {problem}. {remedy}")

    @classmethod
    def joined(cls, problems: Sequence["ConfigurationError"]) -> "ConfigurationError":
        """Return one error that tells all `problems`, so that they can be corrected at once."""
        if len(problems) == 1:
            return problems[0]
        error = ConfigurationError.__new__(ConfigurationError)
        error.setting = ", ".join(problem.setting for problem in problems)
        lines = "".join(f"\n  - {problem}" for problem in problems)
        CapibaraError.__init__(error, f"{len(problems)} settings are wrong:{lines}")
        return error


class MissingKeyError(ConfigurationError):
    """A provider or model was chosen whose key is not in the environment."""

    code = "missing_key"

    def __init__(self, variable: str, purpose: str) -> None:
        CapibaraError.__init__(
            self,
            f"{variable} is not set, and {purpose} needs it. Put it into the environment or .env, "
            "or choose the embedded provider.",
        )
        self.setting = variable


class RequestError(CapibaraError):
    """A request that cannot be served as it is."""

    code = "bad_request"


class UnknownTemplateError(RequestError):
    """The named template or preset does not exist."""

    code = "unknown_template"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is no template {name!r}. Known: {', '.join(known)}.")


class UnknownLanguageError(RequestError):
    """The language has no kernel."""

    code = "unknown_language"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"Language {name!r} cannot be run. Known: {', '.join(known)}.")


class UnknownTierError(RequestError):
    """The named model tier is not configured."""

    code = "unknown_tier"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is no model tier {name!r}. Known: {', '.join(known)}.")


class UnknownRecordError(RequestError):
    """No stored record has this id."""

    code = "not_found"

    def __init__(self, kind: str, record_id: str) -> None:
        super().__init__(f"No {kind} has the id {record_id!r}.")


class DataFileError(RequestError):
    """An input file that is missing, unreadable, empty or of a kind no reader knows."""

    code = "data_file"

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"Data file {name!r}: {problem}. {remedy}")


class ModelFileError(RequestError):
    """A file of a model that is missing, none, cut short, or too large for this machine."""

    code = "model_file"

    def __init__(self, file: str, problem: str, remedy: str) -> None:
        super().__init__(f"Model file {file!r}: {problem}. {remedy}")


class LocalModelError(RequestError):
    """A local model of that name cannot be added, or there is none."""

    code = "local_model"

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"Local model {name!r}: {problem}. {remedy}")


class NoRecipeError(RequestError):
    """No recipe can answer the question; the message says why, in the question's language."""

    code = "no_recipe"


class TooLargeError(RequestError):
    """Something is larger than its limit."""

    code = "too_large"

    def __init__(self, what: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{what} has {size_bytes:,} bytes; the limit is {limit_bytes:,}.")


class ProviderError(CapibaraError):
    """The sandbox provider failed: the machinery, not the program that was to run."""

    code = "provider"


class ProviderUnreachableError(ProviderError):
    """Nothing answers at the provider's address."""

    code = "provider_unreachable"

    def __init__(self, provider: str, address: str, cause: str) -> None:
        super().__init__(
            f"The {provider} sandbox provider does not answer at {address} ({cause}). "
            "Run `capibara6 doctor`, or `capibara6 test-connection` after starting it."
        )


class SandboxLostError(ProviderError):
    """The sandbox ended while a program ran in it."""

    code = "sandbox_lost"

    def __init__(self, sandbox_id: str, cause: str) -> None:
        super().__init__(f"Sandbox {sandbox_id} ended while the program ran ({cause}).")


class ModelError(CapibaraError):
    """A model endpoint failed."""

    code = "model"


class ModelUnreachableError(ModelError):
    """Nothing answers at the model's address."""

    code = "model_unreachable"

    def __init__(self, model: str, address: str, cause: str) -> None:
        super().__init__(f"Model {model!r} does not answer at {address} ({cause}).")


class ModelBusyError(ModelError):
    """The endpoint refused every attempt for lack of capacity or quota."""

    code = "model_busy"

    def __init__(self, model: str, attempts: int, cause: str) -> None:
        super().__init__(f"Model {model!r} refused {attempts} attempts ({cause}). Try again later.")


class ModelReplyError(ModelError):
    """The model answered, but not with a usable program."""

    code = "model_reply"

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"Model {model!r} gave no usable program: {problem}.")


class EngineError(ModelError):
    """llama.cpp, which serves local models, is not installed or cannot be."""

    code = "engine"

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"Local models: {problem}. {remedy}")


class AccessError(CapibaraError):
    """A wrong or missing API key."""

    code = "access"

    def __init__(self) -> None:
        super().__init__("The API key is missing or wrong. Send it as the header X-API-KEY.")
