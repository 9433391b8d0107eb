"""How far a run of a study is."""

import time
from dataclasses import dataclass, field
from math import prod

import numpy as np

from femtms.study.plan import Plan


@dataclass
class Progress:
    """How far a run is, for those who show it."""

    cases: int
    done: int
    failed: int = 0
    workers: int = 0
    began_with: int = 0
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, plan: Plan, todo: np.ndarray) -> "Progress":
        """At the begin of a run: todo (blocks,) are to do."""
        done = sum(len(plan.block(int(index))) for index in np.flatnonzero(~todo))
        return cls(prod(plan.shape), done, began_with=done)

    @property
    def rate(self) -> float | None:
        """Cases per second of this run; None before the first."""
        new = self.done - self.began_with
        return new / max(time.monotonic() - self.started, 1e-9) if new else None

    @property
    def note(self) -> str:
        """Rate, workers and failures in a few words."""
        rate = self.rate
        words = [] if rate is None else [f"{rate:.2g}/s" if rate < 100 else f"{rate:,.0f}/s"]
        words.append(f"{self.workers:,} worker{'s' * (self.workers != 1)}")
        return ", ".join(words + ([f"{self.failed:,} failed"] if self.failed else []))

    @property
    def seconds_left(self) -> float | None:
        """At this rate."""
        rate = self.rate
        return None if rate is None else (self.cases - self.done) / rate
