"""A contact works only after a test page got through to the address it has now."""

from __future__ import annotations

from django.db import migrations

WORKING = """
CREATE OR REPLACE FUNCTION refuse_unanswered_site(site bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE subject fleet_site%ROWTYPE;
BEGIN
    SELECT * INTO subject FROM fleet_site WHERE id = site AND status = 'active';
    IF NOT FOUND THEN RETURN; END IF;
    IF NOT EXISTS (
        SELECT 1 FROM fleet_contact
        WHERE owner_id = subject.owner_id AND is_enabled AND disabled_reason = ''
            AND tested_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'site % cannot be active: its owner has no working contact', subject.slug
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'an_active_site_has_a_working_contact';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM runbooks_siteescalation choice
        JOIN runbooks_escalationpolicyversion version ON version.policy_id = choice.policy_id
        WHERE choice.site_id = site
    ) THEN
        RAISE EXCEPTION 'site % cannot be active: it has no escalation policy', subject.slug
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'an_active_site_has_a_policy';
    END IF;
END $$;
"""

CONTACTS = """
CREATE OR REPLACE FUNCTION judge_sites_of_contact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A contact that did not work is not what a site loses: what came of its test must be
    -- recordable, and its address mendable.
    IF NOT (OLD.is_enabled AND OLD.disabled_reason = '' AND OLD.tested_at IS NOT NULL)
    THEN RETURN NULL; END IF;
    -- A contact that the product itself switched off (its receiver is gone) must be recordable:
    -- the auditor raises it instead.
    IF TG_OP = 'UPDATE' AND NEW.disabled_reason <> OLD.disabled_reason THEN RETURN NULL; END IF;
    PERFORM refuse_unanswered_site(id) FROM fleet_site WHERE owner_id = OLD.owner_id;
    RETURN NULL;
END $$;
"""

# A test of the old address says nothing of the new one. A new secret of the same receiver is
# rotated in while both count, so it needs no new test.
ADDRESSES = """
CREATE FUNCTION forget_test_of_old_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.url <> OLD.url OR NEW.kind <> OLD.kind) AND NEW.tested_at IS NOT DISTINCT FROM OLD.tested_at
    THEN
        NEW.tested_at := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_new_address_is_untested BEFORE UPDATE ON fleet_contact
    FOR EACH ROW EXECUTE FUNCTION forget_test_of_old_address();
"""
NO_ADDRESSES = """
DROP TRIGGER a_new_address_is_untested ON fleet_contact;
DROP FUNCTION forget_test_of_old_address();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("runbooks", "0003_escalation_oncall_and_overlays"),
        ("fleet", "0004_escalation_oncall_and_overlays"),
    ]
    operations = [
        migrations.RunSQL(WORKING, migrations.RunSQL.noop),
        migrations.RunSQL(CONTACTS, migrations.RunSQL.noop),
        migrations.RunSQL(ADDRESSES, NO_ADDRESSES),
    ]
