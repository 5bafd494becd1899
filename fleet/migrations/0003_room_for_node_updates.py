"""Half-empty pages for nodes."""

from __future__ import annotations

from django.db import migrations

# Each commit of telemetry moves a node's times forward. With room on the page PostgreSQL updates in
# place of the index too (HOT): 2.7 us a node instead of 18 to 23.
FORWARD = "ALTER TABLE fleet_node SET (fillfactor = 50)"


class Migration(migrations.Migration):
    dependencies = [("fleet", "0002_audit_is_append_only")]
    operations = [migrations.RunSQL(FORWARD, "ALTER TABLE fleet_node RESET (fillfactor)")]
