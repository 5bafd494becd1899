"""One good runbook, ways to spoil it, and every text that hypothesis can think of."""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st

FRONT = """\
---
slug: door-open
title: Door open
category: thermal
matches: [thermal.envelope, disk.full]
owner: Facilities
review_by: 2030-06-30
minutes: 10
language: en-GB
---
"""
STEPS = """\
### Close the door of {{ site.name }}
- type: instruction
- id: close-door
- who: on-site
- mandatory: yes

Press it at the top.

- Then at the bottom.

### Read the inlet
- type: reading
- unit: °C
- min: 10
- max: 35.5
- expect: 18 to 27 °C

Wait 5 min.

### Verify that it falls
- type: verify
- metric: hw.temperature
- device: inlet
- unit: °C
- max: 27
- expect: Below 27 °C
"""
BODY = f"""
## Meaning

It is open.

## Impact

It gets warm.

## Safety

Mind your fingers.

## Steps

{STEPS}
## Verify

It is closed.

## Escalate

It does not close.
"""
VALID = FRONT + BODY
EVERY_RUNBOOK = [VALID] + [
    path.read_text(encoding="utf-8")
    for path in sorted(Path(__file__).resolve().parents[2].glob("runbooks/library/builtin/*.md"))
]

#: A busy machine is no fault of the text.
unhurried = settings(deadline=None)

#: Half surrogate pairs and control characters included.
anything = st.text(st.characters(exclude_categories=()), max_size=200)


def with_steps(steps: str) -> str:
    return VALID.replace(STEPS, steps)


def step_with(*entries: str) -> str:
    return with_steps("### Read it\n" + "".join(f"- {entry}\n" for entry in entries))
