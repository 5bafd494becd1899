"""The demo's rooms, people and incidents: believable, repeatable, and ending by themselves."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import available_timezones

import pytest

from fleet.management.demo import incidents as script
from fleet.management.demo import world
from fleet.management.demo.director import Director
from fleet.management.demo.files import EDGE_CONF, EDGE_CONF_CHANGED
from fleet.management.demo.incidents import SCRIPT, incidents_at
from fleet.management.demo.node import SimulatedNode
from fleet.management.demo.room import Room, read_node
from telemetry.metrics import CATALOGUE

T0 = 1_900_000_000.0


def read_inlet(room: Room, now: float) -> float:
    """Return the inlet that node-1 reads."""
    return read_node(room, node="node-1", index=0, now=now, uptime=5.0)[0].value


def make_director(edge_conf: Path) -> tuple[Director, dict[str, bool]]:
    """Return a director over the whole world, and the state of each site's line."""
    rooms = {site.slug: Room(site.inlet, seed=1) for site in world.SITES}
    nodes = {
        site.slug: [
            SimulatedNode(site, number, rooms[site.slug], booted_at=T0)
            for number in range(1, site.nodes + 1)
        ]
        for site in world.SITES
    }
    lines: dict[str, bool] = {}
    director = Director(rooms, nodes, edge_conf=edge_conf, set_line=lines.__setitem__)
    return director, lines


def test_a_room_without_trouble_stays_within_the_recommended_range() -> None:
    room = Room(23.0, seed=1)
    inlets = [read_inlet(room, T0 + 10 * tick) for tick in range(500)]
    assert min(inlets) > 18
    assert max(inlets) < 27


def test_a_failed_cooling_passes_the_class_limit_within_two_minutes_and_ends_with_the_repair() -> (
    None
):
    room = Room(23.0, seed=1)
    read_inlet(room, T0)
    room.trouble.extra_heat = 17.0
    hot = [read_inlet(room, T0 + tick) for tick in range(1, 120)]
    assert max(hot) > 35
    room.trouble.extra_heat = 0.0
    cool = [read_inlet(room, T0 + 120 + tick) for tick in range(1, 300)]
    assert cool[-1] < 27


def test_every_reading_is_in_the_catalogue_and_within_its_bounds() -> None:
    room = Room(23.0, seed=1)
    room.trouble.on_battery = True
    room.trouble.throttled_nodes = {"node-1"}
    for reading in read_node(room, node="node-1", index=0, now=T0, uptime=5.0):
        metric = CATALOGUE[reading.metric]
        assert metric.unit == reading.unit
        assert metric.low <= reading.value <= metric.high


def test_people_sites_and_policies_fit_together() -> None:
    people = {owner.key for owner in world.OWNERS}
    slugs = [site.slug for site in world.SITES]
    assert len(set(slugs)) == len(slugs) >= 12
    assert {site.owner for site in world.SITES} <= people
    assert {key for _, keys in world.POLICIES.values() for key in keys} <= people
    assert {site.policy for site in world.SITES} <= set(world.POLICIES)
    assert {site.pattern for site in world.SITES} == {"hub", "spur", "mesh", "pod"}
    zones = {site.time_zone for site in world.SITES} | {owner.time_zone for owner in world.OWNERS}
    assert zones <= available_timezones()
    assert [owner.name for owner in world.OWNERS if owner.is_catch_all] == ["Samira Haddad"]


def test_a_spur_comes_after_its_hub() -> None:
    seen: set[str] = set()
    for site in world.SITES:
        assert site.parent == "" or site.parent in seen
        seen.add(site.slug)


def test_every_incident_ends_within_its_round_and_concerns_what_exists() -> None:
    known = {site.slug: site.nodes for site in world.SITES} | {world.THIS_MACHINE: 1}
    for incident in SCRIPT:
        assert 0 < incident.start < incident.end < script.ROUND_SECONDS
        assert max(incident.nodes, default=1) <= known[incident.site]


def test_nothing_goes_on_at_the_start_of_a_round() -> None:
    assert incidents_at(0) == []
    assert incidents_at(script.ROUND_SECONDS) == []


def test_the_director_starts_and_ends_each_incident_once(tmp_path: Path) -> None:
    director, lines = make_director(tmp_path / "edge.conf")
    told = []
    for second in range(script.ROUND_SECONDS):
        told += director.direct(incidents_at(second), T0 + second)
    assert len(told) == 2 * len(SCRIPT)
    assert lines == {"leeds-2": True}
    assert all(room.trouble.extra_heat == 0 for room in director.rooms.values())
    assert (tmp_path / "edge.conf").read_text() == EDGE_CONF


def test_the_real_file_changes_while_its_incident_goes_on(tmp_path: Path) -> None:
    director, _ = make_director(tmp_path / "edge.conf")
    director.direct(incidents_at(40), T0 + 40)
    assert (tmp_path / "edge.conf").read_text() == EDGE_CONF_CHANGED != EDGE_CONF


def test_a_reboot_gives_a_new_boot_and_a_small_uptime(tmp_path: Path) -> None:
    director, _ = make_director(tmp_path / "edge.conf")
    node = director.nodes["austin-retail-4"][1]
    before = node.boot(T0 + 139)
    director.direct(incidents_at(140), T0 + 140)
    after = node.boot(T0 + 150)
    assert after.boot_id != before.boot_id
    assert after.uptime_seconds == pytest.approx(10)


def test_the_bad_rollout_changes_the_digest_of_two_nodes(tmp_path: Path) -> None:
    director, _ = make_director(tmp_path / "edge.conf")
    director.direct(incidents_at(60), T0 + 60)
    digests = [
        {item.name: item.digest for item in node.report(T0)}["triage-7b"]
        for node in director.nodes["lyon-clinic"]
    ]
    assert digests == [world.TRIAGE_BAD[2]] * 2 + [world.TRIAGE[2]] * 2
