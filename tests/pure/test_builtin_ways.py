"""What an answer leaves of a built-in runbook: nothing that would harm, or is for nobody."""

from __future__ import annotations

import pytest

from runbooks.library.log_entry import LogEntry
from runbooks.library.progress import progress_of
from tests.factories import NOON
from tests.pure.test_builtin_runbooks import BUILTIN


def left_after(slug: str, step: str, answer: str) -> set[str]:
    """Return the steps that are still to be done once a branch was answered."""
    steps = BUILTIN[slug].steps
    (branch,) = [one for one in steps if one.id == step]
    (option,) = [one for one in branch.options if one.label.startswith(answer)]
    said = LogEntry("step_done", step, person="1", input={"choice": option.choice})
    found = progress_of(steps, [said], now=NOON).steps
    return {one.id for one in found if one.outcome == "open"}


@pytest.mark.parametrize(
    ("slug", "step", "answer", "passed"),
    [
        ("disk-full", "disk-well", "I/O errors", {"clear-caches", "remove-models"}),
        ("failed-rollout", "ask-each", "The wanted", {"go-on"}),
        ("heat-loop-fault", "bypass-helped", "Below", {"water", "pressure", "handles"}),
        ("heat-loop-fault", "pump-supply", "It runs", {"handles", "call-help"}),
        ("heat-loop-fault", "water", "Wet", {"pressure", "pump-supply", "photo-panel"}),
        ("memory-pressure", "restart-or-not", "Larger", {"drain", "restart-service"}),
        ("model-rollback", "canary", "Another", {"open-a-tenth"}),
        ("network-isolation", "who-ordered", "No lead", {"disable-port", "pull-uplinks"}),
        ("network-isolation", "way-out", "A door", {"disable-port", "pull-uplinks"}),
        ("network-isolation", "by-hand", "The switch", {"identify-uplinks", "pull-uplinks"}),
        ("power-on-battery", "building-power", "Off in the street", {"enter", "mains-plug"}),
        ("power-on-battery", "enter", "One of", {"input-voltage", "breaker", "mains-plug"}),
        ("power-on-battery", "mains-plug", "Green", {"hands-off"}),
        ("power-on-battery", "time-come", "On mains", {"shut-down"}),
        ("reboot", "safe-to-restart", "One of", {"restart-gracefully", "power-button"}),
        ("reboot", "drain", "Three", {"restart-gracefully", "power-button", "verify-uptime"}),
        ("reboot", "power-state", "It reports", {"restart-out-of-band", "identify", "pull-cords"}),
        ("reboot", "out-of-band-helped", "It reports", {"identify", "power-button", "pull-cords"}),
        ("reboot", "power-button", "Green", {"pull-cords", "cords-out"}),
        ("silent-node", "still-silent", "It reports", {"to-reboot"}),
        ("silent-node", "reports-again", "It reports", {"identify", "to-reboot"}),
        ("site-dark", "back-again", "It is back", {"enter", "restart-provider-box"}),
        ("site-dark", "enter", "One of", {"ups-lamps", "line-lamps", "restart-provider-box"}),
        ("site-dark", "reseat-wan", "Link lamp", {"restart-provider-box", "hand-on"}),
        ("thermal-alarm", "filter-means", "20 to 125", {"change-filter"}),
        ("thermal-alarm", "fan-means", "All at least", {"change-fan"}),
        ("thermal-alarm", "loop-pressure", "1.0", {"go-loop"}),
        ("thermal-alarm", "too-hot", "Every inlet", {"shut-down-hottest"}),
        ("wan-down", "line-back", "It is back", {"line-lamps", "restart-provider-box"}),
    ],
)
def test_what_an_answer_makes_needless_is_passed_over(slug, step, answer, passed):
    assert not passed & left_after(slug, step, answer)


@pytest.mark.parametrize("answer", ["Off in the street", "Off in this", "On in", "Nobody"])
def test_the_time_of_the_shutdown_is_set_whoever_has_lost_the_power(answer):
    assert {"shutdown-point", "shut-down"} <= left_after(
        "power-on-battery", "building-power", answer
    )


@pytest.mark.parametrize(
    ("slug", "step", "answer", "still"),
    [
        ("power-on-battery", "enter", "One of", {"hands-off", "inlet", "shut-down"}),
        ("site-dark", "enter", "One of", {"hand-on", "verify-flow"}),
        ("heat-loop-fault", "water", "Wet", {"call-help", "verify-inlet"}),
        ("thermal-alarm", "enter", "One of", {"call-help", "shut-down-hottest"}),
        ("reboot", "out-of-band-helped", "It reports", {"verify-uptime"}),
    ],
)
def test_who_stays_out_or_is_done_is_led_to_help_and_to_the_proof(slug, step, answer, still):
    assert still <= left_after(slug, step, answer)
