"""What is written in a run or about an edition stays; what has ended stays ended."""

from __future__ import annotations

from django.db import migrations

_GROWING = {
    "run_logs_only_grow": "runbooks_runentry",
    "photos_of_runs_stay": "runbooks_runphoto",
    "translations_are_never_changed": "runbooks_runbooktranslation",
    "withdrawals_stay": "runbooks_runbookwithdrawal",
    "media_are_never_changed": "runbooks_runbookmedia",
    "remarks_only_grow": "runbooks_draftremark",
}
GROWING = "".join(
    f"""
CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
    for name, table in _GROWING.items()
)
SHRINKING = "".join(f"DROP TRIGGER {name} ON {table};" for name, table in _GROWING.items())

RUNS = """
CREATE FUNCTION refuse_run_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('done', 'aborted', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'run % has ended and stays ended: start a new one', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER an_ended_run_stays_ended BEFORE UPDATE ON runbooks_run
    FOR EACH ROW EXECUTE FUNCTION refuse_run_rewrite();
"""
NO_RUNS = """
DROP TRIGGER an_ended_run_stays_ended ON runbooks_run;
DROP FUNCTION refuse_run_rewrite();
"""


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0005_runs_and_drafts")]
    operations = [
        migrations.RunSQL(GROWING, SHRINKING),
        migrations.RunSQL(RUNS, NO_RUNS),
    ]
