"""The fourth lane of the sweep says that it goes round, as the others do."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runbooks", "0020_runs_begun_without_network"),
    ]

    operations = [
        migrations.AlterField(
            model_name="enginebeat",
            name="part",
            field=models.CharField(
                choices=[
                    ("sweep.detect", "Sweep, detecting"),
                    ("sweep.decide", "Sweep, deciding"),
                    ("sweep.deliver", "Sweep, delivering"),
                    ("sweep.ask", "Sweep, asking"),
                    ("auditor", "Auditor"),
                ],
                max_length=20,
                unique=True,
            ),
        ),
    ]
