"""The parts of the engine, and the version of its rules that the rows are made for."""

from __future__ import annotations

from django.db import models


class EngineModule(models.Model):
    """One part of the engine; a program whose part has another version may not run it."""

    class Name(models.TextChoices):
        DETECTION = "detection"
        HEARTBEATS = "heartbeats"
        INTAKE = "intake"
        SUPPRESSION = "suppression"
        RESPONSE = "response"
        ESCALATION = "escalation"
        DELIVERY = "delivery"
        AUDIT = "audit"
        RUNS = "runs"

    name = models.CharField(max_length=20, primary_key=True, choices=Name.choices)
    version = models.PositiveIntegerField()

    class Meta:
        # Made and filled by migrations alone: `manage.py flush` empties data, and this is none.
        managed = False
        db_table = "fleet_enginemodule"
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
