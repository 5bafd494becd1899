"""A tablet may be made ready for several sites: one row for each, not only for the last."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0026_leads_are_told")]

    operations = [
        migrations.AlterField(
            model_name="tablet",
            name="device_id",
            field=models.CharField(max_length=36),
        ),
        migrations.AddConstraint(
            model_name="tablet",
            constraint=models.UniqueConstraint(
                fields=("device_id", "site"), name="one_row_of_a_tablet_per_site"
            ),
        ),
    ]
