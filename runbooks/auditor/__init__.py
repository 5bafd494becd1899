"""The auditor: looks at what the pager owes right now, and raises what does not hold.

It looks at every open alert, however old, and at the rows alone; it trusts no message and no
memory. What it finds is a BrokenPromise, mended by itself when the promise holds again.
"""

from __future__ import annotations

from runbooks.auditor.audit import audit_promises, open_promises
from runbooks.auditor.checks import ABOUT_PEOPLE, CHECKS, SLACK_CYCLES

__all__ = ["ABOUT_PEOPLE", "CHECKS", "SLACK_CYCLES", "audit_promises", "open_promises"]
