"""Whether a translation says the same in other words: same steps, bounds and answers. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import zip_longest

from runbooks.library.document import RunbookDocument, RunbookError, RunbookStep

#: What a translation may not change, and what people call it.
_FIXED = {
    "id": "id",
    "kind": "type",
    "unit": "unit",
    "minimum": "min",
    "maximum": "max",
    "metric": "metric",
    "device": "device",
    "code": "code",
    "approver": "approver",
    "wait_seconds": "minutes",
    "for_seconds": "for",
    "within_seconds": "within",
    "runbook": "runbook",
    "picture": "picture",
    "who": "who",
    "is_mandatory": "mandatory",
    "is_destructive": "destructive",
}
_FIXED_OF_DOCUMENT = ("slug", "category", "matches", "minutes", "sites", "classes")


def check_translation(original: RunbookDocument, translation: RunbookDocument) -> None:
    """Raise RunbookError unless the translation has the same steps in another language."""
    if translation.language == original.language:
        raise RunbookError(
            "translation_differs",
            f"The translation is in {original.language!r} as the edition is; write another "
            "language.",
        )
    for key in _FIXED_OF_DOCUMENT:
        if getattr(original, key) != getattr(translation, key):
            raise RunbookError(
                "translation_differs", f"{key!r} is another than in the edition; write it the same."
            )
    for first, second in zip_longest(original.steps, translation.steps):
        _check_step(first, second)


def with_own_labels(original: RunbookDocument, translation: RunbookDocument) -> RunbookDocument:
    """Return the translation whose options know what the edition itself calls them.

    The log speaks the edition's own language: an answer is the option at the same place.
    """
    pairs = zip(original.steps, translation.steps, strict=False)
    return replace(translation, steps=tuple(_with_own_labels(*pair) for pair in pairs))


def _with_own_labels(original: RunbookStep, translation: RunbookStep) -> RunbookStep:
    pairs = zip(original.options, translation.options, strict=False)
    return replace(
        translation,
        options=tuple(replace(theirs, own_label=own.label) for own, theirs in pairs),
    )


def _check_step(original: RunbookStep | None, translation: RunbookStep | None) -> None:
    if original is None or translation is None:
        extra = original or translation
        raise RunbookError(
            "translation_differs",
            f"The step {extra.id if extra else ''!r} is in one of the two only; write the same "
            "steps in the same order.",
        )
    for field, key in _FIXED.items():
        if not _same(getattr(original, field), getattr(translation, field)):
            raise RunbookError(
                "translation_differs",
                f"Step {original.number}, {original.id!r}: {key!r} is another than in the edition; "
                "write it the same.",
            )
    gotos = [option.goto for option in original.options]
    if gotos != [option.goto for option in translation.options]:
        raise RunbookError(
            "translation_differs",
            f"Step {original.number}, {original.id!r}: the options are not as many, or lead "
            "elsewhere; translate their labels only, in the same order.",
        )


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=1e-9)
    return one == other
