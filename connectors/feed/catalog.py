"""Who sells what to whom in the sample: companies, systems, product lines, customers. The same whatever the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Final

COMPANIES: Final = {
    "DDF": "DDF, Inc.",
    "GRP": "Geneva Rock Products, Inc.",
    "SBM": "Sunroc Building Materials, Inc.",
    "SCI": "Scott Contracting, Inc.",
    "SRC": "Sunroc Corporation",
    "WWC": "W. W. Clyde & Co.",
}

BISTRACK: Final = "BisTrack"
COMMAND: Final = "Command"
VISTA: Final = "Vista"


@dataclass(frozen=True, slots=True)
class Branch:
    """What one company sells through one system."""

    company: str
    system: str
    product_lines: tuple[str, ...]
    weight: int
    """Its share of new invoices."""
    median_dollars: int
    """Of one line."""
    spread: float
    """Sigma of the lognormal distribution of a line's amount."""


BRANCHES: Final = (
    Branch("SBM", BISTRACK, ("Lumber", "Trusses", "Windows", "Doors", "Hardware"), 34, 420, 1.1),
    Branch("GRP", COMMAND, ("Concrete", "Aggregate", "Asphalt"), 18, 950, 0.9),
    Branch("SRC", COMMAND, ("Concrete", "Aggregate", "Asphalt"), 16, 900, 0.9),
    Branch("WWC", VISTA, ("Construction",), 12, 6_500, 1.0),
    Branch("SCI", VISTA, ("Construction", "Asphalt"), 8, 4_800, 1.0),
    Branch("DDF", BISTRACK, ("Trusses", "Windows", "Lumber"), 7, 700, 1.0),
    Branch("GRP", VISTA, ("Construction",), 3, 5_200, 1.0),
    Branch("SRC", VISTA, ("Construction",), 2, 5_000, 1.0),
)
BRANCH_WEIGHTS: Final = tuple(branch.weight for branch in BRANCHES)

CONCRETE_MIXES: Final = ("3000PSI", "4000PSI-AE", "5000PSI", "FLOWFILL", "GROUT-8SK")
AGGREGATES: Final = ("ROADBASE", "PEA-GRAVEL", "SAND-C33", "DRAIN-ROCK", "RIPRAP-12")
ASPHALTS: Final = ("HMA-12.5", "HMA-19", "COLD-PATCH")
ITEMS: Final = {"Concrete": CONCRETE_MIXES, "Aggregate": AGGREGATES, "Asphalt": ASPHALTS}

SAMPLE_CUSTOMERS: Final = (
    ("M-1001", "Wasatch Framing"),
    ("M-1002", "Peña & Sons"),
    ("M-1003", "Timp Builders"),
    ("M-1007", "Old Mill LLC"),
    ("M-1012", "Ünïcode Homes"),
)
SAMPLE_IDS: Final = frozenset(master_id for master_id, _ in SAMPLE_CUSTOMERS)
FIRST_FURTHER_CUSTOMER: Final = 2000

_FIRST_WORDS: Final = (
    "Alpine", "Bonneville", "Cedar", "Deseret", "Eagle", "Fremont", "Granite", "Heber", "Iron", "Juniper",
    "Kolob", "Lehi", "Moab", "Nebo", "Oquirrh", "Provo", "Quail", "Red Rock", "Sego", "Timberline", "Uinta", "Vernal",
    "Zion",
)  # fmt: skip
_LAST_WORDS: Final = (
    "Builders",
    "Homes",
    "Excavating",
    "Concrete",
    "Framing",
    "Development",
    "Paving",
    "Contractors",
    "& Sons",
    "LLC",
)


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer across all systems; each system knows it under a number of its own."""

    index: int
    master_id: str
    name: str

    @property
    def is_named(self) -> bool:
        """Whether a sample login sees its page."""
        return self.master_id in SAMPLE_IDS

    def number_in(self, system: str) -> str:
        """`customer_id`: its number in one system."""
        return f"{SYSTEM_PREFIXES[system]}-{self.index + 101:06d}"


SYSTEM_PREFIXES: Final = {BISTRACK: "BT", COMMAND: "CM", VISTA: "VI"}


@cache
def customers(count: int) -> tuple[Customer, ...]:
    """The first `count` customers: the named ones, then M-2000 and on."""
    named = [Customer(index, master_id, name) for index, (master_id, name) in enumerate(SAMPLE_CUSTOMERS[:count])]
    # Of its own seed, so that a customer keeps its name from run to run.
    words = random.Random("customer names")  # noqa: S311 - sample data
    further = [
        Customer(
            index,
            f"M-{FIRST_FURTHER_CUSTOMER + index - len(SAMPLE_CUSTOMERS)}",
            f"{words.choice(_FIRST_WORDS)} {words.choice(_LAST_WORDS)}",
        )
        for index in range(len(SAMPLE_CUSTOMERS), count)
    ]
    return (*named, *further)
