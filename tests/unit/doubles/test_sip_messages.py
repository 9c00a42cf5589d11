from __future__ import annotations

import pytest

from tests.doubles.sip_messages import (
    Credentials,
    Message,
    Reason,
    Sdp,
    SipSyntaxError,
    authorization,
    challenge_of,
    display_name_of,
    parse,
    parse_sdp,
    quoted,
    reasons_of,
    uri_of,
    user_of,
)

INVITE = (
    b"INVITE sip:600@127.0.0.1 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKabc;rport\r\n"
    b'f: "Bob" <sip:bob@127.0.0.1>;tag=1\r\n'
    b"t: <sip:600@127.0.0.1>\r\n"
    b"i: call-1\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Subject: a long\r\n line\r\n"
    b"l: 3\r\n\r\nabcdef"
)

HOSTILE = [
    "Bob,Uuid: 00000000-dead,To: skypeclient/+19005551234",
    'a "quoted" \\ name',
    "${SHELL(id)}",
    "Zoë <sip:x@y>;tag=9",
    "x" * 2000,
]


def test_compact_headers_folding_and_length_are_understood() -> None:
    message = parse(INVITE)
    assert (message.method, message.uri, message.cseq) == (
        "INVITE",
        "sip:600@127.0.0.1",
        7,
    )
    assert message.branch == "z9hG4bKabc"
    assert message.get("Call-ID") == "call-1"
    assert message.get("subject") == "a long line"
    assert message.body == b"abc"


def test_encoded_message_parses_to_itself() -> None:
    message = Message("BYE sip:x SIP/2.0", (("CSeq", "1 BYE"), ("X", "y")), b"body")
    assert parse(message.encoded()) == message


@pytest.mark.parametrize("datagram", [b"", b"\0\0", b"hello\r\n\r\n", b"INVITE x"])
def test_what_is_no_sip_is_refused(datagram: bytes) -> None:
    with pytest.raises(SipSyntaxError):
        parse(datagram)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_display_name_survives_quoting(name: str) -> None:
    header = f"{quoted(name)} <sip:bob@127.0.0.1>;tag=1"
    assert display_name_of(header) == name
    assert user_of(header) == "bob"
    assert uri_of(header) == "sip:bob@127.0.0.1"


def test_line_break_in_a_display_name_becomes_a_fold_not_a_header() -> None:
    name = quoted("a\r\nTo: evil")
    header = ("From", f"{name} <sip:bob@h>;tag=1")
    message = parse(Message("OPTIONS sip:x SIP/2.0", (header,)).encoded())
    assert message.all("To") == []
    assert display_name_of(message.get("From")) == "a To: evil"


def test_digest_is_that_of_rfc_2617() -> None:
    value = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    response = Message("SIP/2.0 401 Unauthorized", (("WWW-Authenticate", value),))
    name, answer = authorization(
        challenge_of(response),
        Credentials("Mufasa", "Circle Of Life"),
        "GET",
        "/dir/index.html",
        cnonce="0a4f113b",
    )
    assert name == "Authorization"
    assert 'response="6629fae49393a05397450978507c4ef1"' in answer


def test_challenge_without_md5_is_refused() -> None:
    header = ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-256')
    with pytest.raises(SipSyntaxError):
        challenge_of(Message("SIP/2.0 401 Unauthorized", (header,)))


def test_every_reason_header_is_read() -> None:
    headers = (
        ("Reason", 'Q.850;cause=17;text="User busy"'),
        ("Reason", "SIP ;cause=200"),
        ("Reason", "broken"),
    )
    assert reasons_of(Message("BYE sip:x SIP/2.0", headers)) == (
        Reason("Q.850", 17, "User busy"),
        Reason("SIP", 200, ""),
    )


def test_sdp_parses_to_itself() -> None:
    offer = Sdp("127.0.0.1", 4000).with_direction("sendonly")
    read = parse_sdp(offer.encoded())
    assert (read.host, read.port, read.direction) == ("127.0.0.1", 4000, "sendonly")
    assert (read.payload_types, read.event_payload_type) == ((0, 101), 101)


def test_sdp_without_audio_is_refused() -> None:
    with pytest.raises(SipSyntaxError):
        parse_sdp(b"v=0\r\nm=video 9 RTP/AVP 31\r\n")
