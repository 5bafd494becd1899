"""A page that fails while its alert is held back is followed up when that ends."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0017_older_editions_restored")]

    operations = [
        migrations.AddField(
            model_name="page",
            name="is_follow_up_owed",
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name="page",
            index=models.Index(
                condition=models.Q(("is_follow_up_owed", True)),
                fields=["receipt_at"],
                name="pages_owed_a_follow_up",
            ),
        ),
    ]
