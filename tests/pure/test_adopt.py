"""Taking over a runbook that was written for another place."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runbooks.library.adopt import adopt_runbook
from runbooks.library.document import RunbookDocument, RunbookError
from runbooks.library.parse import parse_runbook
from tests.pure.foreign_runbooks import BARE, EVERY_FOREIGN, FOUR_HEADINGS, ONLY_STEPS, PROSE
from tests.pure.runbook_text import EVERY_RUNBOOK, anything, unhurried

TODAY = date(2030, 1, 1)


def adopted(text: str, name: str = "") -> RunbookDocument:
    return parse_runbook(adopt_runbook(text, today=TODAY, name=name).source)


def warnings(text: str) -> str:
    return "\n".join(adopt_runbook(text, today=TODAY).warnings)


def test_the_front_matter_is_sensible():
    runbook = adopted(FOUR_HEADINGS)

    assert (runbook.slug, runbook.title) == ("edge-disk-almost-full", "EdgeDiskAlmostFull")
    assert (runbook.category, runbook.matches, runbook.minutes) == ("node", (), 18)
    assert (runbook.owner, runbook.review_by) == ("To be named", date(2030, 4, 1))


def test_what_to_look_at_becomes_checks_and_what_to_do_instructions():
    steps = adopted(FOUR_HEADINGS).steps

    assert [(step.kind, step.title) for step in steps] == [
        (
            "check",
            "Look at the node's disk usage over the last day, and note whether it grew slowly "
            "or at once",
        ),
        ("check", "Find the largest directories"),
        ("check", "Is a rollout going on? If so, wait for it"),
        ("instruction", "Delete weights that no model uses"),
        ("instruction", "Rotate the logs"),
        ("instruction", "If the disk is still full, order a larger one"),
    ]


def test_code_stays_as_it_is():
    steps = adopted(FOUR_HEADINGS).steps

    assert steps[1].body == "```sh\n# the ten largest\ndu -xh /var/lib | sort -h | tail\n```"
    assert steps[3].body == ("Ask the model's owner first.\n\n```sh\nweightctl prune --keep 2\n```")


def test_what_may_destroy_is_marked_and_said():
    steps = adopted(FOUR_HEADINGS).steps

    assert [step.id for step in steps if step.is_destructive] == [
        "delete-weights-that-no-model-uses"
    ]
    assert "Step 4 may destroy or interrupt something" in warnings(FOUR_HEADINGS)


def test_context_in_a_fold_stays_without_its_tags():
    meaning = adopted(FOUR_HEADINGS).meaning

    assert "The disk holds model weights and the spool." in meaning
    assert "<" not in meaning


def test_what_is_missing_is_said_and_its_place_held():
    runbook = adopted(FOUR_HEADINGS)

    assert runbook.safety == "What can hurt, and when not to begin, is still to be written."
    assert [name for name in ("Safety", "Verify", "Escalate") if name in warnings(FOUR_HEADINGS)]
    assert "section 'Meaning'" not in warnings(FOUR_HEADINGS)
    assert "Say in 'expect'" in warnings(FOUR_HEADINGS)


def test_other_words_for_the_sections_and_prose_do():
    runbook = adopted(PROSE)

    assert (runbook.slug, runbook.category) == ("vpn-tunnel-down", "network")
    assert [(step.kind, step.title) for step in runbook.steps] == [
        ("check", "Check whether the tunnel is up on the hub"),
        ("check", "Compare the clocks of both ends"),
        ("instruction", "Restart the tunnel on the site's side"),
    ]
    assert runbook.escalate == "Call the network team after 30 minutes."
    assert "#### References\n\nSee the design of the tunnels." in runbook.meaning


def test_the_braces_of_a_template_are_parted_and_said():
    assert "wg show | grep { { $labels.instance }}" in adopted(PROSE).steps[0].body
    assert "Two braces were parted" in warnings(PROSE)
    assert "Two braces" not in warnings(FOUR_HEADINGS)


def test_a_picture_is_said_to_be_missing():
    assert "Pictures were not taken along" in warnings(PROSE)
    assert "Pictures" not in warnings(BARE)


def test_a_text_without_headings_becomes_a_meaning_and_one_step():
    runbook = adopted(BARE, name="Modem")

    assert (runbook.title, runbook.meaning) == ("Modem", BARE.strip())
    assert [step.title for step in runbook.steps] == ["Read the meaning, and decide what to do"]
    assert "nothing to look at and nothing to do" in warnings(BARE)


def test_sub_headings_and_tasks_are_steps():
    runbook = adopted(ONLY_STEPS)

    assert [step.title for step in runbook.steps] == [
        "Prepare",
        "not a step of its own here",
        "Order the battery",
        "Swap the battery",
        "Pull the old pack",
        "Push the new pack until it clicks",
    ]
    assert runbook.steps[-1].body.startswith("| lamp | meaning |")
    assert runbook.verify == "The UPS shows 100 % within a day."
    assert runbook.category == "power"


def test_more_than_a_hundred_items_end_in_one_step():
    text = "## Mitigation\n\n" + "".join(f"- Turn knob {n}\n" for n in range(120))

    runbook = adopted(text)

    assert len(runbook.steps) == 100
    assert runbook.steps[-1].body.startswith("- Turn knob 99\n")
    assert runbook.steps[-1].body.endswith("- Turn knob 119")
    assert "120 items" in warnings(text)


def test_items_with_one_name_have_each_their_own_id():
    runbook = adopted("## Mitigation\n\n- Look\n- Look\n- End\n")

    assert [step.id for step in runbook.steps] == ["look", "look-2", "end-2"]


def test_a_text_too_long_for_one_runbook_is_refused():
    with pytest.raises(RunbookError) as caught:
        adopt_runbook("a" * 60_000, today=TODAY)

    assert caught.value.code == "too_long"


markdown = st.lists(
    st.one_of(
        anything,
        st.sampled_from(
            [
                *[
                    "# T",
                    "## Diagnosis",
                    "## Mitigation",
                    "### Sub",
                    "##Bad",
                    "##",
                    "#",
                    "```",
                    "~~~",
                ],
                *["- item", "1. one", "  more", "    # deep", "", "", "\t- x", "{{", "{{{ a }}}"],
                *[
                    "## Safety",
                    "## Steps",
                    "- type: none",
                    "- [ ] do",
                    "Ends:",
                    "- ",
                    "###",
                    "| a |",
                ],
                *["---", "<details>", "\ufffe", "x" * 200, "- reboot it. Now", "   ## three"],
            ]
        ),
    ),
    max_size=25,
).map("\n".join)


@unhurried
@given(markdown)
@example("# \ufffe")
@example("    #\n0")
@example("## Mitigation\n\n- ```\n  ## Verify\n")
@example("## Diagnosis\n\n```\n# a\n")
def test_any_text_becomes_a_runbook_that_parses(text):
    assert adopted(text).steps


@unhurried
@given(st.data())
def test_any_part_of_a_real_runbook_becomes_one_that_parses(data):
    text = data.draw(st.sampled_from([*EVERY_FOREIGN, *EVERY_RUNBOOK[:3]]))
    start = data.draw(st.integers(0, len(text)))

    assert adopted(text[start : start + 4_000]).steps
