"""A draft may restore an older edition, and so an edition may say what an older one said; a draft
knows who has it open."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("runbooks", "0016_reminders"),
    ]
    operations = [
        migrations.RemoveConstraint(
            model_name="runbookversion", name="one_edition_per_content_of_a_runbook"
        ),
        migrations.AddField(
            model_name="runbookdraft",
            name="goes_back_to",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="runbooks.runbookversion",
            ),
        ),
        migrations.CreateModel(
            name="DraftVisit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seen_at", models.DateTimeField()),
                (
                    "draft",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="visits",
                        to="runbooks.runbookdraft",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["draft", "-seen_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("draft", "user"), name="one_visit_per_person_of_a_draft"
                    )
                ],
            },
        ),
    ]
