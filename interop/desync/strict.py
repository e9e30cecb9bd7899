"""A reader of HTTP/1.1 connections that takes only what has one meaning (RFC 9110, RFC 9112).

It shares nothing with the gateway, and is small enough to be checked by eye: one expression for a head, one for a chunk. What
it takes is what a gateway may take; whatever a gateway takes beyond it is a find.
"""

import re
from dataclasses import dataclass

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A value: tabs, spaces, visible ASCII and bytes above it.
HEAD = re.compile(
    rb"(?P<method>" + TOKEN + rb") (?P<target>[\x21-\x7e]+) HTTP/1\.(?P<minor>[01])\r\n"
    rb"(?P<fields>(?:" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
)
FIELD = re.compile(rb"(" + TOKEN + rb"):([^\r]*)\r\n")
HOST = re.compile(rb"(?:[0-9A-Za-z._~-]{1,255}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
TARGET = re.compile(rb"/[^\"<>`\\#]*|\*|https?://[^/?\"<>`\\#]+(?:[/?][^\"<>`\\#]*)?", re.IGNORECASE)
VALUE = rb"(?:" + TOKEN + rb"|\"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*\")"
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;" + TOKEN + rb"(?:=" + VALUE + rb")?)*\r\n")
TRAILER = re.compile(TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n")
LOOKALIKES = {b"content_length", b"transfer_encoding"}


class Refused(Exception):
    """It could be read in two ways."""


class Cut(Exception):
    """It does not end here."""


@dataclass
class Request:
    method: bytes
    path: bytes
    """None when it does not come to its end."""
    body: bytes | None
    chunked: bool


def read(stream):
    """The requests of a connection that brings these bytes, as far as all of them have one meaning, and the rest."""
    requests = []
    while True:
        while stream.startswith(b"\r\n"):
            stream = stream[2:]
        head = HEAD.match(stream)
        if not head:
            return requests, stream
        try:
            request, framing, lives = judge(head)
            requests.append(request)
            stream = stream[head.end():]
            request.body, stream = body(framing, stream)
        except (Refused, Cut):
            return requests, stream
        if not lives:
            return requests, stream


def judge(head):
    method, target, is_1_1 = head["method"], head["target"], head["minor"] == b"1"
    fields = [(name.lower(), value.strip(b" \t"), value) for name, value in FIELD.findall(head["fields"])]

    def all_of(wanted):
        return [value for name, value, _ in fields if name == wanted]

    if method in (b"CONNECT", b"TRACE") or not TARGET.fullmatch(target) or (target == b"*") > (method == b"OPTIONS"):
        raise Refused
    hosts, lengths, codings = all_of(b"host"), all_of(b"content-length"), all_of(b"transfer-encoding")
    if len(hosts) > 1 or (is_1_1 and not hosts) or not all(map(HOST.fullmatch, hosts)):
        raise Refused
    path = target
    if not target.startswith((b"/", b"*")):
        scheme, rest = re.match(rb"(https?)://(.*)", target, re.IGNORECASE).groups()
        authority = re.match(rb"[^/?]*", rest)[0]
        path = rest[len(authority):]
        if not path.startswith(b"/"):
            path = b"*" if method == b"OPTIONS" and not path else b"/" + path
        port = b":443" if scheme.lower() == b"https" else b":80"
        if not HOST.fullmatch(authority) or any(same(host, port) != same(authority, port) for host in hosts):
            raise Refused
    if LOOKALIKES.intersection(name for name, *_ in fields) or len(lengths) + len(codings) > 1:
        raise Refused
    if any(b"\t" in raw for name, _, raw in fields if name in (b"content-length", b"transfer-encoding")):
        raise Refused
    if is_1_1 and any(value.lower() != b"100-continue" for value in all_of(b"expect")):
        raise Refused
    if lengths and not re.fullmatch(rb"0|[1-9]\d{0,17}", lengths[0]):
        raise Refused
    if codings and not (is_1_1 and codings[0].lower() == b"chunked"):
        raise Refused
    options = {option.strip(b" \t").lower() for value in all_of(b"connection") for option in value.split(b",")}
    lives = b"close" not in options and (is_1_1 or b"keep-alive" in options)
    framing = "chunked" if codings else int(lengths[0]) if lengths else 0
    return Request(method, path, None, bool(codings)), framing, lives


def same(authority, port):
    """A host and port that can be compared."""
    authority = authority.lower()
    return authority if re.search(rb":\d+$", authority) else authority + port


def body(framing, stream):
    if framing != "chunked":
        if len(stream) < framing:
            raise Cut
        return stream[:framing], stream[framing:]
    data = b""
    while True:
        line = CHUNK_LINE.match(stream)
        if not line:
            raise Refused
        size, stream = int(line[1], 16), stream[line.end():]
        if size == 0:
            break
        if len(stream) < size + 2:
            raise Cut
        if stream[size:size + 2] != b"\r\n":
            raise Refused
        data, stream = data + stream[:size], stream[size + 2:]
    while not stream.startswith(b"\r\n"):
        trailer = TRAILER.match(stream)
        if not trailer:
            raise Refused
        stream = stream[trailer.end():]
    return data, stream[2:]
