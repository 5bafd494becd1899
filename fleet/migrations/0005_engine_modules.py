"""Each part of the engine has a version; a program that knows another one stops."""

from __future__ import annotations

from django.db import migrations, models

# A cycle shares the lock of its module until its transaction ends, and whoever changes a version
# holds it alone: so a migration waits for the cycles under way, and those that begin later wait
# for it, find the new version and stop. Advisory locks rather than SELECT .. FOR SHARE: they
# write nothing, and they queue, so that a stream of cycles cannot keep a migration waiting.
FORWARD = """
CREATE TABLE fleet_enginemodule (
    name    varchar(20) PRIMARY KEY,
    version integer     NOT NULL CHECK (version > 0)
);
INSERT INTO fleet_enginemodule VALUES
    ('detection', 1), ('heartbeats', 1), ('intake', 1), ('suppression', 1),
    ('response', 1), ('escalation', 1), ('delivery', 1), ('audit', 1), ('runs', 1);

CREATE FUNCTION engine_version(module text) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('fleet_enginemodule'), hashtext(module));
    -- A statement of its own: it sees what was committed while the lock was waited for.
    RETURN (SELECT version FROM fleet_enginemodule WHERE name = module);
END $$;

CREATE FUNCTION wait_for_engine_cycles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('fleet_enginemodule'), hashtext(OLD.name));
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_new_version_waits_for_cycles BEFORE UPDATE OR DELETE ON fleet_enginemodule
    FOR EACH ROW EXECUTE FUNCTION wait_for_engine_cycles();
"""
BACKWARD = """
DROP FUNCTION engine_version(text);
DROP TABLE fleet_enginemodule;
DROP FUNCTION wait_for_engine_cycles();
"""

NAMES = [
    "detection",
    "heartbeats",
    "intake",
    "suppression",
    "response",
    "escalation",
    "delivery",
    "audit",
    "runs",
]


class Migration(migrations.Migration):
    dependencies = [("fleet", "0004_escalation_oncall_and_overlays")]
    operations = [
        migrations.CreateModel(
            name="EngineModule",
            fields=[
                (
                    "name",
                    models.CharField(
                        choices=[(name, name.capitalize()) for name in NAMES],
                        max_length=20,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("version", models.PositiveIntegerField()),
            ],
            options={"managed": False, "db_table": "fleet_enginemodule", "ordering": ["name"]},
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
