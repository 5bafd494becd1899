"""The table of windows, in partitions by start time."""

from __future__ import annotations

from django.db import migrations

# Arrays of 4-byte numbers: 20 bytes a series and window, and they go straight into NumPy.
# No primary key: the ledger already refuses a batch that comes twice, and an index entry a row
# is what costs most at this volume. The default partition takes what no daily one covers, so a
# window is never refused for its date.
FORWARD = """
CREATE TABLE telemetry_window (
    node_id       bigint      NOT NULL,
    series_set_id bigint      NOT NULL,
    start         timestamptz NOT NULL,
    seconds       real        NOT NULL,
    flags         smallint    NOT NULL,
    received_at   timestamptz NOT NULL,
    n             int4[]      NOT NULL,
    min           float4[]    NOT NULL,
    max           float4[]    NOT NULL,
    sum           float4[]    NOT NULL,
    last          float4[]    NOT NULL
) PARTITION BY RANGE (start);
CREATE INDEX windows_by_node_and_start ON telemetry_window (node_id, start);
CREATE TABLE telemetry_window_default PARTITION OF telemetry_window DEFAULT;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, "DROP TABLE telemetry_window")]
