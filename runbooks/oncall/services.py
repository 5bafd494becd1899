"""Every change to who is on call when."""

from __future__ import annotations

from runbooks.oncall.calendars import ImportOutcome, import_calendar
from runbooks.oncall.errors import OnCallError
from runbooks.oncall.exceptions import add_override, remove_override, swap_turns
from runbooks.oncall.groups import change_group, create_group, delete_group
from runbooks.oncall.schedules import (
    add_holiday,
    create_schedule,
    remove_holiday,
    remove_rotation,
    set_rotation,
)

__all__ = [
    "ImportOutcome",
    "OnCallError",
    "add_holiday",
    "add_override",
    "change_group",
    "create_group",
    "create_schedule",
    "delete_group",
    "import_calendar",
    "remove_holiday",
    "remove_override",
    "remove_rotation",
    "set_rotation",
    "swap_turns",
]
