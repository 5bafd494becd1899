"""What the database itself refuses, whoever asks."""

from __future__ import annotations

from django.db import migrations

IMMUTABLE = """
CREATE TRIGGER published_versions_are_never_changed
    BEFORE UPDATE OR DELETE ON runbooks_runbookversion
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER policy_versions_are_never_changed
    BEFORE UPDATE OR DELETE ON runbooks_escalationpolicyversion
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER timelines_only_grow
    BEFORE UPDATE OR DELETE ON runbooks_alertevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
MUTABLE = """
DROP TRIGGER published_versions_are_never_changed ON runbooks_runbookversion;
DROP TRIGGER policy_versions_are_never_changed ON runbooks_escalationpolicyversion;
DROP TRIGGER timelines_only_grow ON runbooks_alertevent;
"""

ALERTS = """
CREATE FUNCTION refuse_alert_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.response = 'closed' AND NEW.response <> 'closed' THEN
        RAISE EXCEPTION 'alert % is closed and stays closed: a new one is opened when it fires again',
            OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.policy_version_id <> OLD.policy_version_id THEN
        RAISE EXCEPTION 'alert % keeps the policy version it was opened with', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_closed_alert_stays_closed BEFORE UPDATE ON runbooks_alert
    FOR EACH ROW EXECUTE FUNCTION refuse_alert_rewrite();
"""
NO_ALERTS = """
DROP TRIGGER a_closed_alert_stays_closed ON runbooks_alert;
DROP FUNCTION refuse_alert_rewrite();
"""

# Judged at COMMIT, so that one transaction may bring the site, its owner and its policy in any
# order; judged again whenever something it rests on is taken away.
LIVE_SITES = """
CREATE FUNCTION refuse_unanswered_site(site bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE subject fleet_site%%ROWTYPE;
BEGIN
    SELECT * INTO subject FROM fleet_site WHERE id = site AND status = 'active';
    IF NOT FOUND THEN RETURN; END IF;
    IF NOT EXISTS (
        SELECT 1 FROM fleet_contact
        WHERE owner_id = subject.owner_id AND is_enabled AND disabled_reason = ''
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

CREATE FUNCTION judge_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM refuse_unanswered_site(NEW.id); RETURN NULL; END $$;
CREATE FUNCTION judge_sites_of_contact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A contact that the product itself switched off (its receiver is gone) must be recordable:
    -- the auditor raises it instead.
    IF TG_OP = 'UPDATE' AND NEW.disabled_reason <> OLD.disabled_reason THEN RETURN NULL; END IF;
    PERFORM refuse_unanswered_site(id) FROM fleet_site WHERE owner_id = OLD.owner_id;
    RETURN NULL;
END $$;
CREATE FUNCTION judge_site_of_choice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM refuse_unanswered_site(OLD.site_id); RETURN NULL; END $$;

CREATE CONSTRAINT TRIGGER an_active_site_is_answered_for
    AFTER INSERT OR UPDATE OF status, owner_id ON fleet_site DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION judge_site();
CREATE CONSTRAINT TRIGGER an_active_site_keeps_its_contact
    AFTER UPDATE OR DELETE ON fleet_contact DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION judge_sites_of_contact();
CREATE CONSTRAINT TRIGGER an_active_site_keeps_its_policy
    AFTER UPDATE OR DELETE ON runbooks_siteescalation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION judge_site_of_choice();
"""
NO_LIVE_SITES = """
DROP TRIGGER an_active_site_is_answered_for ON fleet_site;
DROP TRIGGER an_active_site_keeps_its_contact ON fleet_contact;
DROP TRIGGER an_active_site_keeps_its_policy ON runbooks_siteescalation;
DROP FUNCTION judge_site(); DROP FUNCTION judge_sites_of_contact();
DROP FUNCTION judge_site_of_choice(); DROP FUNCTION refuse_unanswered_site(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("runbooks", "0001_initial"),
        ("fleet", "0002_audit_is_append_only"),
    ]
    operations = [
        migrations.RunSQL(IMMUTABLE, MUTABLE),
        migrations.RunSQL(ALERTS, NO_ALERTS),
        migrations.RunSQL(LIVE_SITES.replace("%%", "%"), NO_LIVE_SITES),
    ]
