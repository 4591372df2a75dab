"""The diagnosis that also knows what is installed."""

import logging
from dataclasses import replace
from typing import Final

from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request
from capibara6.inventory import Stock
from capibara6.language.detection import detect_language
from capibara6.repair.diagnosis import diagnose
from capibara6.repair.installed import EXPLAINED, facts_about

_WAIT_S_MAX: Final = 60.0  # for an inventory that has to be taken first

log = logging.getLogger(__name__)


class InformedDiagnosis:
    """Says why an attempt failed, with facts about the installed packages where they explain it.

    Args:
        stock: of the template; asked only for errors that names or signatures can explain.
    """

    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    async def __call__(
        self,
        program: Program,
        result: ExecutionResult | None,
        findings: tuple[Finding, ...],
        request: Request,
    ) -> Diagnosis:
        """As `diagnose`; without facts, logged, when there is no inventory."""
        diagnosis = diagnose(program, result, findings, request)
        if result is None or diagnosis.kind not in EXPLAINED or program.language != "python":
            return diagnosis
        inventory = await self._stock.get(_WAIT_S_MAX)
        if inventory is None:
            return diagnosis
        language = detect_language(request.question)
        return replace(diagnosis, facts=facts_about(program, result, inventory, language))
