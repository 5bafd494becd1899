"""An owner without an account who closes an alert from a page is written down as who closed it."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0004_escalation_oncall_and_overlays"),
        ("runbooks", "0007_waits_for_hours"),
    ]
    operations = [
        migrations.AddField(
            model_name="alert",
            name="closed_owner",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="fleet.owner",
            ),
        ),
    ]
