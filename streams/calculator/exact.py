"""Exact decimal arithmetic, whatever decimal context the calling thread happens to have.

Dollars are numeric(15,2) and rates numeric(12,6): their products and sums fit many times over. Should a result ever not
fit, it is an error (`decimal.Inexact`), never a rounded number.
"""

from __future__ import annotations

from decimal import Context, Inexact, InvalidOperation, Overflow
from typing import Final

_EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])

add: Final = _EXACT.add
subtract: Final = _EXACT.subtract
multiply: Final = _EXACT.multiply
