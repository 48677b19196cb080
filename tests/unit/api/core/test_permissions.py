from __future__ import annotations

import pytest

from api.core.errors import Forbidden
from api.core.permissions import Role, Viewer


@pytest.mark.parametrize(
    ("role", "own", "other"),
    [
        (Role.ADMINISTRATOR, True, True),
        (Role.MANAGER, True, True),
        (Role.SALES, True, True),
        (Role.CUSTOMER, True, False),
        (Role.NO_ACCESS, False, False),
    ],
)
def test_role_sees_what_it_may(role: Role, own: bool, other: bool) -> None:
    viewer = Viewer(1, "a@b.example", None, role, 1)
    assert (viewer.may_see_group(1), viewer.may_see_group(2)) == (own, other)


def test_customer_without_a_group_sees_nobody_without_a_group() -> None:
    assert not Viewer(1, "a@b.example", None, Role.CUSTOMER, None).may_see_group(None)


@pytest.mark.parametrize("role", Role)
def test_administrators_and_managers_alone_fulfil_prizes(role: Role) -> None:
    viewer = Viewer(1, "a@b.example", None, role, 1)
    may = role in {Role.ADMINISTRATOR, Role.MANAGER}
    assert viewer.may_fulfil_prizes is may
    if may:
        viewer.require_fulfilment()
    else:
        with pytest.raises(Forbidden):
            viewer.require_fulfilment()
