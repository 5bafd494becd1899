"""The edge program: measure, summarise, keep on disk, send, forget once committed."""

from __future__ import annotations
