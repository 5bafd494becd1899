"""Advice on a runbook that parses: what would make it easier to follow at night. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

from runbooks.library.document import STEP_RULES, RunbookDocument, RunbookStep
from runbooks.library.pictures import LARGEST_PICTURE
from telemetry.metrics import CATALOGUE

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
_SAYS_WHEN = re.compile(r"\b(only|unless|before|after|when|if|once|ask|confirm)\b", re.IGNORECASE)
#: Words of an English step that most often stops or destroys something.
DESTROYS = re.compile(
    r"\b(reboot|restart|delete|remove|drain|kill|evict|drop|truncate|wipe|format|roll ?back|"
    r"shut ?down|power (?:off|cycle)|scale (?:down|to 0)|rm -r\w*|force)\w*",
    re.IGNORECASE,
)
_RESTARTS = re.compile(r"\b(reboot|restart|power[- ]cycl|start it again)\w*", re.IGNORECASE)
#: Readings come once a minute; and a run in which nothing happens for longer looks forgotten.
SHORTEST_WITHIN, LONGEST_WITHIN = 120, 7200
_EXPECTING = ("check", "reading", "verify")
_ANSWERED = ("check", "reading")
_ASKING = ("confirm", "approval")
#: What a tablet takes along for a site, texts and pictures together.
LARGEST_PACK = 25_000_000


def lint(
    document: RunbookDocument,
    *,
    today: date | None = None,
    known_slugs: Collection[str] | None = None,
    picture_sizes: Mapping[str, int] | None = None,
) -> list[str]:
    """Return one sentence for each thing to better, in the order of the steps; none is well.

    The rules that look at words (verb first, what is lost, when it may be done) are for English
    only. What depends on a day, on the other runbooks or on the sizes of the pictures by name is
    looked at only where they are given.
    """
    is_english = document.language.split("-")[0] == "en"
    advice = [*_advice_on_review(document, today)]
    reached = reached_steps(document.steps)
    is_asked = has_restarted = False
    for step in document.steps:
        sentences = [
            *_advice(step, is_english=is_english),
            *_advice_on_destruction(step, is_english=is_english, is_asked=is_asked),
            *_advice_on_links(step, document.slug, known_slugs),
            *_advice_on_metric(step),
            *_advice_on_time(step, has_restarted=is_english and has_restarted),
        ]
        if step.id not in reached:
            sentences.append("let a branch lead here, or delete the step: no run reaches it.")
        advice += [f"Step {step.number}, '{step.title}': {sentence}" for sentence in sentences]
        is_asked = is_asked or step.kind in _ASKING
        has_restarted = has_restarted or _restarts(step)
    return [*advice, *_advice_on_pictures(picture_sizes or {})]


def lint_pack(documents: Iterable[RunbookDocument], media_sizes: Mapping[str, int]) -> list[str]:
    """Return advice on all that a tablet takes along for a site.

    `media_sizes` goes from the hashes of pictures to their bytes; one shown twice is taken once.
    """
    texts, shown = 0, {}
    for document in documents:
        texts += len(document.source.encode())
        shown.update({digest: media_sizes.get(digest, 0) for _, digest in document.media})
    whole = texts + sum(shown.values())
    if whole <= LARGEST_PACK:
        return []
    return [
        f"The runbooks of the site have {whole:,} bytes together; make the pictures smaller until "
        f"they have {LARGEST_PACK:,} or fewer, or a tablet does not take them along."
    ]


def reached_steps(steps: Sequence[RunbookStep]) -> set[str]:
    """Return the ids of the steps that some run comes to, and END where a branch leads there."""
    reached: set[str] = {step.id for step in steps[:1]}
    # Branches lead forward only, so one pass sees everything.
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.id not in reached:
            continue
        gotos = {option.goto for option in step.options if option.goto}
        if gotos:
            reached |= gotos
        elif following is not None:
            reached.add(following.id)
    return reached


def _advice_on_review(document: RunbookDocument, today: date | None) -> list[str]:
    if today is None or document.review_by >= today:
        return []
    return [
        f"Review: it was due on {document.review_by.isoformat()}; look at every step, then set a "
        "later day."
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
    if step.kind in _ANSWERED and step.is_mandatory and not step.otherwise:
        advice.append("say in 'otherwise' what to do when it is not as expected.")
    if len(step.body) > LONGEST_BODY:
        advice.append(f"shorten the text to {LONGEST_BODY} characters, or make it two steps.")
    return advice


def _advice_on_destruction(step: RunbookStep, *, is_english: bool, is_asked: bool) -> list[str]:
    if not (is_english and step.is_destructive):
        return []
    advice = []
    words = f"{step.title}\n{step.warning}\n{step.body}"
    if not _SAYS_WHAT_IS_LOST.search(words):
        advice.append("say what is lost by doing it.")
    if not is_asked and not _SAYS_WHEN.search(words):
        advice.append("say when it may be done, or put a confirm or an approval before it.")
    return advice


def _advice_on_links(
    step: RunbookStep, own_slug: str, known_slugs: Collection[str] | None
) -> list[str]:
    if not step.runbook:
        return []
    if step.runbook == own_slug:
        return ["lead to another runbook; this one leads to itself."]
    if known_slugs is not None and step.runbook not in known_slugs:
        return [f"there is no runbook {step.runbook!r}; write it first, or correct the slug."]
    return []


def _advice_on_metric(step: RunbookStep) -> list[str]:
    """Return what keeps the engine from ever passing the step, or from looking at the air."""
    metric = CATALOGUE.get(step.metric)
    if metric is None:
        return []
    if step.unit not in (metric.unit, metric.shown_unit):
        units = " or ".join(dict.fromkeys(filter(None, (metric.shown_unit, metric.unit))))
        return [f"write the unit of {metric.name}, {units}; in another nothing can be verified."]
    if metric.name == "hw.temperature" and not step.device:
        return ["name the sensor, like 'device: inlet'; without it the hottest chip counts."]
    return []


def _restarts(step: RunbookStep) -> bool:
    return step.is_destructive and bool(_RESTARTS.search(f"{step.title}\n{step.body}"))


def _advice_on_time(step: RunbookStep, *, has_restarted: bool) -> list[str]:
    """Return what makes a verification give up too soon, or look as if it were forgotten."""
    if step.kind != "verify":
        return []
    if step.within_seconds is None:
        if not has_restarted:
            return []
        return ["say in 'within' how long a restart may take; 2 min are assumed."]
    if step.within_seconds < SHORTEST_WITHIN:
        return ["make 'within' 2 min or longer; readings come once a minute."]
    if step.within_seconds > LONGEST_WITHIN:
        return ["make 'within' 2 h or shorter, and put a step of type wait before it."]
    return []


def _advice_on_pictures(sizes: Mapping[str, int]) -> list[str]:
    return [
        f"Picture '{name}': make it {LARGEST_PICTURE:,} bytes or fewer; it has {size:,}."
        for name, size in sizes.items()
        if size > LARGEST_PICTURE
    ]
