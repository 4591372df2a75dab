"""Which task a request is, in which language, and which template and tier serve it."""

from capibara6.routing.arms import arms
from capibara6.routing.learned import LearningRouter
from capibara6.routing.learner import Learner
from capibara6.routing.listener import OutcomeListener
from capibara6.routing.router import RuleRouter

__all__ = ["Learner", "LearningRouter", "OutcomeListener", "RuleRouter", "arms"]
