"""Advice on a runbook that parses: what would make it easier to follow at night. Pure."""

from __future__ import annotations

import re

from runbooks.library.document import STEP_RULES, RunbookDocument, RunbookStep

LONGEST_BODY = 600

#: The verbs a step may begin with. Closed, because English does not mark its imperatives; a title
#: that begins otherwise gets advice, no refusal, and a missing verb may be added.
_VERBS = """
    acknowledge add agree apply ask attach begin book bring call cancel change check choose clean
    clear close collect come compare confirm connect copy count cut cycle decide delete disable
    disconnect do drain empty enable end enter escalate feel fetch find finish fit follow free
    give go hand hang hold identify inspect insert install isolate keep label lay leave let lift
    limit listen load lock log look lower make mark measure mount move name note open pause phone
    photograph pick plug point power prepare press print pull push put raise read reboot rebuild
    reconnect record reduce refit rejoin release reload remove rename repair repeat replace report
    request reseat reset resolve restart restore resume return revoke roll rotate run save scan
    screw seal search secure see select send set show shut sign silence slide smell stand start
    stay stop store swap switch take talk tell test tighten touch trace try turn type undo unlock
    unmount unplug update use verify wait walk warn watch wear wipe withdraw write
"""
IMPERATIVES = frozenset(_VERBS.split())
_SAYS_WHAT_IS_LOST = re.compile(r"\b(lose|loses|losing|lost|loss)\b", re.IGNORECASE)
_EXPECTING = ("check", "reading", "verify")


def lint(document: RunbookDocument) -> list[str]:
    """Return one sentence for each thing to better, in the order of the steps; none is well.

    The two rules that look at words (verb first, what is lost) are for English only.
    """
    is_english = document.language.split("-")[0] == "en"
    return [
        f"Step {step.number}, '{step.title}': {advice}"
        for step in document.steps
        for advice in _advice(step, is_english=is_english)
    ]


def _advice(step: RunbookStep, *, is_english: bool) -> list[str]:
    advice = []
    rule = STEP_RULES.get(step.kind)
    first_word = re.split(r"[^A-Za-z]", step.title, maxsplit=1)[0]
    if is_english and first_word.lower() not in IMPERATIVES:
        advice.append("begin the title with a verb, like Check, Read or Close.")
    if rule and "unit" in rule.demands and not step.unit:
        advice.append("give the unit of the reading.")
    if step.kind in _EXPECTING and not step.expect:
        advice.append("say in 'expect' what is seen when all is well.")
    if len(step.body) > LONGEST_BODY:
        advice.append(f"shorten the text to {LONGEST_BODY} characters, or make it two steps.")
    if is_english and step.is_destructive and not _SAYS_WHAT_IS_LOST.search(step.body):
        advice.append("say what is lost by doing it.")
    return advice
