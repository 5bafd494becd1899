"""Groups tell a stale screen; heartbeats can be paused."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runbooks", "0011_announcements"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="paginggroup",
            name="revision",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="paused_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="paused_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="pause_reason",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.RemoveIndex(model_name="heartbeat", name="heartbeats_by_late_time"),
        migrations.AddIndex(
            model_name="heartbeat",
            index=models.Index(
                condition=models.Q(
                    ("is_late", False), ("paused_at__isnull", True), ("revoked_at__isnull", True)
                ),
                fields=["late_at"],
                name="heartbeats_by_late_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="heartbeat",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("paused_at__isnull", True),
                    models.Q(("is_late", False), models.Q(("pause_reason", ""), _negated=True)),
                    _connector="OR",
                ),
                name="a_paused_heartbeat_says_why_and_is_not_late",
            ),
        ),
    ]
