"""Why something about a run is refused: a `code` for machines, a sentence for people."""

from __future__ import annotations

from collections.abc import Sequence

from runbooks.library.document import RunbookDocument
from runbooks.library.run_log import names_of
from runbooks.models import Run
from runbooks.refused import Refused


class RunError(Refused):
    """Something about a run that is refused; `docs/runs.md` lists the codes."""


def run_ended(run: Run) -> RunError:
    """The run has ended and takes no more decisions."""
    return RunError(
        "run_ended",
        f"R-{run.pk} has ended ({run.get_state_display().lower()}) and stays ended. Start a new "
        "run if there is more to do.",
    )


def reason_missing(what: str) -> RunError:
    """Something that cannot be done without saying why."""
    return RunError("reason_missing", f"Say in a few words why {what}.")


def text_refused(what: str, longest: int) -> RunError:
    """A text that is too long or holds what cannot be stored."""
    return RunError(
        "text_refused",
        f"The {what} is too long or holds control characters; write at most {longest} characters.",
    )


def steps_undone(run: Run, document: RunbookDocument, undone: Sequence[str]) -> RunError:
    """Mandatory steps are left."""
    return RunError(
        "steps_undone",
        f"R-{run.pk} is not done: {names_of(document, undone, run.values)} must be done, or "
        "skipped with a reason, and what is disputed chosen.",
    )


def step_barred(
    run: Run, document: RunbookDocument, step_id: str, barred_by: Sequence[str]
) -> RunError:
    """A step that cannot be undone, before the answers that it waits for."""
    step, before = (names_of(document, ids, run.values) for ids in ([step_id], barred_by))
    return RunError(
        "step_barred",
        f"{step[:1].upper()}{step[1:]} cannot be undone and waits for {before}. Have that answered "
        "first, or say why it is done without.",
    )
