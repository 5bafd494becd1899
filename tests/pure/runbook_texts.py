"""Every good runbook that hypothesis can think of: all types, all keys, forward branches."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from runbooks.library.document import APPROVERS, STEP_RULES, WHO

_words = st.lists(
    st.sampled_from(
        ["Look", "gauge", "öffnen", "扉", "#5", "*twice*", "`code`", "{{ site.name }}"]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)
_plain = st.sampled_from(["Fan stands", "Fan turns", "Ja, klar", "No: none", "A > B", "いいえ"])
_body = st.one_of(
    st.just(""),
    _words,
    st.just("One.\n\n- two\n- three\n\n```text\n### No step\n- type: none\n```\n\n#### Small"),
)
_pictures = st.sampled_from(["gauge.svg | The gauge", "a-b.png | 図", "fan.webp | Fan: front"])


@st.composite
def runbook_texts(draw: st.DrawFn) -> str:
    """Return a text that parses, with one to six steps."""
    count = draw(st.integers(1, 6))
    steps = [draw(_steps(number, count)) for number in range(1, count + 1)]
    scope = draw(
        st.sampled_from(["", "sites: [osaka-3, lyon-1]\n", "classes: [Edge 2U, 'L4: x']\n"])
    )
    return (
        "---\nslug: made\ntitle: 'Made: up'\ncategory: general\nmatches: []\nowner: A team\n"
        f"review_by: 2030-06-30\nminutes: 10\nlanguage: en\n{scope}---\n\n"
        f"## Meaning\n\n{draw(_words)}\n\n## Impact\n\n{draw(_words)}\n\n## Safety\n\nNone.\n\n"
        f"## Steps\n\n{''.join(steps)}## Verify\n\n{draw(_words)}\n\n## Escalate\n\nCall.\n"
    )


@st.composite
def _steps(draw: st.DrawFn, number: int, count: int) -> str:
    kind = draw(st.sampled_from(sorted(STEP_RULES)))
    rule = STEP_RULES[kind]
    values: dict[str, st.SearchStrategy[Any]] = {
        "expect": _words,
        "otherwise": _words,
        "warning": _words,
        "picture": _pictures,
        "mandatory": st.sampled_from(["yes", "no"]),
        "destructive": st.sampled_from(["yes", "no"]),
        "who": st.sampled_from(WHO),
    }
    needed: dict[str, st.SearchStrategy[Any]] = {
        "unit": st.sampled_from(["°C", "Pa", "%"]),
        "min": st.sampled_from(["-9", "0", "0.5"]),
        "max": st.sampled_from(["1", "27.25"]),
        "metric": st.just("hw.temperature"),
        "device": st.just("inlet"),
        "for": st.sampled_from(["30 s", "10 min", "24 h"]),
        "within": st.sampled_from(["90 s", "15 min", "24 h"]),
        "options": _options(kind, number, count),
        "code": st.sampled_from(["A-1:b", "{{ node.name }}"]),
        "approver": st.sampled_from(APPROVERS),
        "minutes": st.sampled_from(["0.5", "10", "1440", "0.017"]),
        "runbook": st.just("reboot"),
    }
    some = [key for key in values if draw(st.booleans())]
    entries = [f"- type: {kind}", f"- id: step-{number}"]
    entries += [f"- {key}: {draw((values | needed)[key])}" for key in (*some, *rule.takes)]
    return f"### {draw(_words)}\n" + "\n".join(entries) + f"\n\n{draw(_body)}\n\n"


def _options(kind: str, number: int, count: int) -> st.SearchStrategy[str]:
    labels = st.lists(_plain, min_size=2, max_size=4, unique_by=str.casefold)
    if kind == "choice":
        return labels.map(" | ".join)
    later = [f"step-{n}" for n in range(number + 1, count + 1)]
    goto = st.sampled_from([*later, "end"])
    return labels.flatmap(
        lambda chosen: st.tuples(*[goto.map(lambda to, of=of: f"{of} -> {to}") for of in chosen])
    ).map(" | ".join)
