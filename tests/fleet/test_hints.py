"""Hints never hold and never fail whoever gives them."""

from __future__ import annotations

import threading

from fleet.hints import Hints


def refuse() -> None:
    """Fail as a broker does that is gone."""
    raise ConnectionError("the broker is gone")


def test_a_hint_is_sent() -> None:
    sent: list[str] = []
    hints = Hints()
    hints.post(lambda: sent.append("one"))
    hints.wait_until_sent()
    assert sent == ["one"]


def test_a_broker_that_hangs_does_not_hold_the_caller() -> None:
    let_go, hanging = threading.Event(), threading.Event()
    sent: list[str] = []
    hints = Hints()

    def hang() -> None:
        hanging.set()
        let_go.wait(30)

    hints.post(hang)
    assert hanging.wait(30)
    hints.post(lambda: sent.append("after"))
    assert sent == []
    let_go.set()
    hints.wait_until_sent()
    assert sent == ["after"]


def test_a_hint_that_fails_does_not_stop_the_next() -> None:
    sent: list[str] = []
    hints = Hints()
    hints.post(refuse)
    hints.post(lambda: sent.append("next"))
    hints.wait_until_sent()
    assert sent == ["next"]


def test_what_waits_beyond_the_bound_is_dropped_and_counted() -> None:
    let_go, hanging = threading.Event(), threading.Event()
    sent: list[int] = []
    hints = Hints(most_waiting=2)

    def hang() -> None:
        hanging.set()
        let_go.wait(30)

    hints.post(hang)
    assert hanging.wait(30)
    for number in range(5):
        hints.post(lambda number=number: sent.append(number))  # type: ignore[misc]
    let_go.set()
    hints.wait_until_sent()
    assert sent == [0, 1]
    assert hints.dropped == 3


def test_what_a_waiting_hint_says_is_not_said_twice_and_is_said_again_once_it_was_sent() -> None:
    let_go, hanging = threading.Event(), threading.Event()
    sent: list[str] = []
    hints = Hints()

    def hang() -> None:
        hanging.set()
        let_go.wait(30)

    hints.post(hang)
    assert hanging.wait(30)
    for word in ("deliver", "deliver", "escalate", "deliver"):
        hints.post(lambda word=word: sent.append(word), says=word)  # type: ignore[misc]
    let_go.set()
    hints.wait_until_sent()
    assert sent == ["deliver", "escalate"]
    hints.post(lambda: sent.append("again"), says="deliver")
    hints.wait_until_sent()
    assert sent == ["deliver", "escalate", "again"]
