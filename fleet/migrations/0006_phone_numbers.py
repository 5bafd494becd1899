"""People have a phone number, and sites have whom to call in an emergency."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleet", "0005_engine_modules")]

    operations = [
        migrations.AddField(
            model_name="owner",
            name="phone",
            field=models.CharField(blank=True, max_length=30),
        ),
        migrations.AddField(
            model_name="site",
            name="emergency_numbers",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddConstraint(
            model_name="owner",
            constraint=models.CheckConstraint(
                condition=models.Q(phone="") | models.Q(phone__regex="^[0-9+() -]{3,30}$"),
                name="a_phone_number_can_be_dialled",
            ),
        ),
    ]
