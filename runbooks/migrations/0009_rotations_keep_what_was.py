"""A rotation that is replaced or taken out stays, so that past days show who was on call."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runbooks", "0008_who_closed_without_an_account"),
    ]
    operations = [
        migrations.RemoveConstraint(
            model_name="rotation",
            name="one_rotation_per_position_of_a_schedule",
        ),
        migrations.AddField(
            model_name="rotation",
            name="counts_from",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="rotation",
            name="counts_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="rotation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("counts_until__isnull", True)),
                fields=("schedule", "position"),
                name="one_rotation_per_position_of_a_schedule",
            ),
        ),
    ]
