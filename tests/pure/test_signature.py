"""Signatures: those of the standard when we sign, and nothing but them when others do."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.paging.signature import SecretError, SignatureError, sign, sign_with_each, verify
from tests.page_facts import NOON

TOKYO = timezone(timedelta(hours=9))
#: The vector that every library of the standard is tested with.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_the_signature_is_that_of_the_standards_own_vector() -> None:
    headers = sign(
        b'{"test": 2432232314}',
        page_id=VECTOR_ID,
        secret=VECTOR_SECRET,
        at=datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers == {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(
    body=st.text(),
    gap=st.timedeltas(-timedelta(days=3650), timedelta(days=3650)),
    zone=st.sampled_from([UTC, TOKYO]),
    key=st.binary(min_size=24, max_size=64),
)
def test_what_is_signed_is_the_very_integer_in_the_header(
    body: str, gap: timedelta, zone: tzinfo, key: bytes
) -> None:
    at = (NOON + gap).astimezone(zone)
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = sign(body.encode(), page_id="msg_1", secret=secret, at=at)
    signed = f"msg_1.{headers['webhook-timestamp']}.{body}".encode()
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert headers["webhook-timestamp"] == str(int(at.timestamp()))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é", "whsec_A", ""])
def test_a_secret_that_cannot_sign_is_refused_with_a_sentence(secret: str) -> None:
    with pytest.raises(SecretError, match="signing secret cannot be used"):
        sign(b"{}", page_id="msg_1", secret=secret, at=NOON)


ANOTHER_SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


def test_during_a_change_of_secret_a_page_carries_both_signatures() -> None:
    both = sign_with_each(b"{}", page_id="m", secrets=[ANOTHER_SECRET, VECTOR_SECRET], at=NOON)
    signatures = [
        sign(b"{}", page_id="m", secret=secret, at=NOON)["webhook-signature"]
        for secret in (ANOTHER_SECRET, VECTOR_SECRET)
    ]
    assert both["webhook-signature"] == " ".join(signatures)
    verify(b"{}", both, secrets=[VECTOR_SECRET], now=NOON)
    verify(b"{}", both, secrets=[ANOTHER_SECRET], now=NOON)


def test_a_page_without_any_secret_is_not_sent_unsigned() -> None:
    with pytest.raises(SecretError):
        sign_with_each(b"{}", page_id="m", secrets=[], at=NOON)


def refusal(
    body: bytes = b"{}",
    *,
    secrets: Sequence[str] = (VECTOR_SECRET,),
    now: datetime = NOON,
    **headers: Any,
) -> str:
    """Return the code with which a request is refused that was signed well but for `headers`."""
    signed: dict[str, Any] = {**sign(b"{}", page_id="m", secret=VECTOR_SECRET, at=NOON)}
    signed |= {f"webhook-{name}": value for name, value in headers.items()}
    with pytest.raises(SignatureError) as caught:
        verify(body, signed, secrets=secrets, now=now)
    assert str(caught.value).endswith(".")
    return caught.value.code


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
@pytest.mark.parametrize("value", ["", None])
def test_an_unsigned_request_is_refused(name: str, value: str | None) -> None:
    assert refusal(**{name: value}) == "signature_missing"


@pytest.mark.parametrize("stamp", ["garbage", "-1", "1e9", "²", "1.5", "9" * 5000, "\ud800"])
def test_a_timestamp_that_is_no_number_is_malformed(stamp: str) -> None:
    assert refusal(timestamp=stamp) == "signature_malformed"


@pytest.mark.parametrize("age", [301, -301, 86_400])
def test_a_request_signed_long_ago_or_in_the_future_is_refused(age: int) -> None:
    assert refusal(now=NOON + timedelta(seconds=age)) == "signature_too_old"


@pytest.mark.parametrize("signature", ["garbage", "v1,a,b", "v1,é", "v1,abc", "v1a,abc", ","])
def test_a_malformed_signature_is_only_a_wrong_one(signature: str) -> None:
    assert refusal(signature=signature) == "signature_wrong"


@pytest.mark.parametrize("version", ["v1a", "v2", "", "V1"])
def test_a_right_digest_of_another_version_is_refused(version: str) -> None:
    signed = sign(b"{}", page_id="m", secret=VECTOR_SECRET, at=NOON)
    digest = signed["webhook-signature"].removeprefix("v1,")
    assert refusal(signature=f"{version},{digest}") == "signature_wrong"


def test_whatever_is_signed_cannot_be_changed() -> None:
    assert refusal(b"{} ") == "signature_wrong"
    assert refusal(id="another") == "signature_wrong"
    young = str(int(NOON.timestamp()) + 1)
    assert refusal(timestamp=young) == "signature_wrong"
    assert refusal(secrets=[ANOTHER_SECRET]) == "signature_wrong"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "whsec_A", "whsec_YWJj"])
def test_no_request_is_genuine_by_a_secret_that_anybody_could_guess(secret: str) -> None:
    stamp = str(int(NOON.timestamp()))
    digest = hmac.new(b"", f"m.{stamp}.".encode(), hashlib.sha256).digest()
    forged = "v1," + base64.b64encode(digest).decode()
    headers = {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": forged}
    with pytest.raises(SignatureError):
        verify(b"", headers, secrets=[secret], now=NOON)


def test_a_request_is_genuine_within_five_minutes_either_way() -> None:
    headers = sign(b"{}", page_id="m", secret=VECTOR_SECRET, at=NOON)
    for age in (-300, 0, 300):
        now = NOON + timedelta(seconds=age)
        verify(b"{}", headers, secrets=[ANOTHER_SECRET, VECTOR_SECRET], now=now)


@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
        st.text(st.characters()) | st.from_regex(r"[0-9]{1,14}") | st.from_regex(r"v1,.*"),
    ),
    body=st.binary(max_size=100),
    secrets=st.lists(st.text(max_size=60), max_size=3),
)
def test_no_made_up_request_is_genuine_and_none_raises_anything_else(
    headers: dict[str, str], body: bytes, secrets: list[str]
) -> None:
    with pytest.raises(SignatureError):
        verify(body, headers, secrets=secrets, now=NOON)
