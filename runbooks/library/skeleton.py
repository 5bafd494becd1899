"""The empty form that a new runbook is begun from, to be written over. Pure."""

from __future__ import annotations

SKELETON = """\
---
slug: new-runbook
title: New runbook
category: general
matches: []
owner:
review_by:
minutes: 15
language: en
---

## Meaning

## Impact

## Safety

## Steps

### Check
- type: check
- id: first-look
- mandatory: yes
- expect:
- otherwise:

## Verify

## Escalate
"""
