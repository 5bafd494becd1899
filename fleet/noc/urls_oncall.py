"""The addresses of who is paged: schedules, policies, groups, contacts, heartbeats, readiness."""

from __future__ import annotations

from django.urls import URLPattern, path

from fleet.noc import (
    browser_views,
    calendar_feed_views,
    contact_views,
    delivery_views,
    group_views,
    heartbeats_views,
    oncall_views,
    policy_views,
    readiness_views,
    schedule_views,
)

urlpatterns: list[URLPattern] = [
    path("oncall/", oncall_views.oncall, name="oncall"),
    path("oncall/schedules/", oncall_views.schedule_create, name="schedule-create"),
    path("oncall/schedules/<slug:slug>/", schedule_views.schedule, name="schedule"),
    path(
        "oncall/schedules/<slug:slug>/calendar.ics",
        schedule_views.schedule_calendar,
        name="schedule-calendar",
    ),
    path("oncall/feeds/<str:token>.ics", calendar_feed_views.calendar_feed, name="calendar-feed"),
    path(
        "oncall/schedules/<slug:slug>/feeds/", calendar_feed_views.feed_create, name="feed-create"
    ),
    path(
        "oncall/schedules/<slug:slug>/feeds/<int:feed_id>/revoke/",
        calendar_feed_views.feed_revoke,
        name="feed-revoke",
    ),
    path(
        "oncall/schedules/<slug:slug>/<slug:act>/",
        schedule_views.schedule_change,
        name="schedule-change",
    ),
    path("oncall/policies/", policy_views.policies, name="policies"),
    # Before the policies' own pages: a policy called New has this address for its editor only.
    path("oncall/policies/new/", policy_views.policy_new, name="policy-new"),
    path("oncall/policies/<slug:slug>/", policy_views.policy, name="policy"),
    path("oncall/policies/<slug:slug>/edit/", policy_views.policy_edit, name="policy-edit"),
    path("oncall/groups/", group_views.groups, name="groups"),
    path("oncall/groups/<slug:slug>/", group_views.group, name="group"),
    path("oncall/groups/<slug:slug>/delete/", group_views.group_delete, name="group-delete"),
    path("oncall/heartbeats/", heartbeats_views.heartbeats, name="heartbeats"),
    path(
        "oncall/heartbeats/<int:heartbeat_id>/<slug:act>/",
        heartbeats_views.heartbeat_change,
        name="heartbeat-change",
    ),
    path("oncall/readiness/", readiness_views.readiness, name="readiness"),
    path("oncall/contacts/", contact_views.contacts, name="contacts"),
    path("oncall/contacts/<int:owner_id>/", contact_views.contact, name="contact"),
    path("oncall/contacts/<int:owner_id>/add/", contact_views.contact_add, name="contact-add"),
    path(
        "oncall/contacts/<int:owner_id>/phone/", contact_views.contact_phone, name="contact-phone"
    ),
    path(
        "oncall/contacts/<int:owner_id>/browser/",
        browser_views.contact_browser,
        name="contact-browser",
    ),
    path(
        "oncall/contacts/<int:owner_id>/<int:contact_id>/<slug:act>/",
        contact_views.contact_change,
        name="contact-change",
    ),
    path("oncall/deliveries/", delivery_views.deliveries, name="deliveries"),
    path(
        "oncall/deliveries/<uuid:page_id>/redeliver/",
        delivery_views.delivery_redeliver,
        name="delivery-redeliver",
    ),
]
