"""Messages that two parsers could read differently, made by the thousand from a seed.

A message is put together from choices: a request line, a host, framing fields, a body that holds another request, and what
may go wrong with each. About a third has one meaning, so that the good way is walked too. Then bytes are changed.
"""

# What may stand for a length of N, and for chunks. The first is right.
LENGTHS = [
    "Content-Length: {n}", "Content-Length: +{n}", "Content-Length: -{n}", "Content-Length: 0{n}", "Content-Length: 0x{n:x}",
    "Content-Length: {n}, {n}", "Content-Length: {n}, 0", "Content-Length: {n}\r\nContent-Length: {n}",
    "Content-Length: 0\r\nContent-Length: {n}", "Content-Length: {n}\r\ncontent-length: 0", "Content-Length : {n}",
    "Content-Length:\t{n}", "Content-Length: {n}\x0b", "Content-Length: {n} 0", "Content-Length: {n}_0", "Content-Length:",
    "Content-Length:\r\n {n}", "Content_Length: {n}", "Content-Length: 18446744073709551616", "Content-Length: {n}.0",
    " Content-Length: {n}", "X: y\nContent-Length: {n}", "X: y\rContent-Length: {n}", "Content-Length: {n}\r\nConnection: content-length",
    "Content\\-Length: {n}", "Content-Length\0: {n}", "Content-Length: {n};", "Content-Length: \"{n}\"",
]
CODINGS = [
    "Transfer-Encoding: chunked", "transfer-encoding:CHUNKED ", "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked",
    "Transfer-Encoding:\tchunked", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: , chunked", "Transfer-Encoding: chunked,", "Transfer-Encoding: chunk",
    "Transfer_Encoding: chunked", "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked\r\nConnection: transfer-encoding", "Transfer-Encoding: ch\xfcnked",
    "Transfer-Encoding\t: chunked", "Transfer-Encoding: chunked\0", "Transfer-Encoding: identity", "Transfer-Encoding:",
    " Transfer-Encoding: chunked", "Transfer-Encoding: chunked, chunked", "Foo: bar\r\n\tTransfer-Encoding: chunked",
]
# How a chunk of N bytes begins, and what may stand behind its data. The first three are right.
SIZES = [
    "{n:x}\r\n", "{n:04X}\r\n", "{n:x};a=b;c=\"d;\\\"\"\r\n", "0x{n:x}\r\n", "+{n:x}\r\n", "-{n:x}\r\n", " {n:x}\r\n", "{n:x} \r\n", "{n:x};\r\n",
    "{n:x}\n", "{n:x}\r", "{n:x};a\n", "{n:x};a=\"\n\r\n", "{n:x};a\rb\r\n", "{n:x} ;a\r\n", "1{n:016x}\r\n", "{n:x}\0\r\n", "{n:x}_\r\n", "{m:x}\r\n", "\r\n",
    "{n:x};a=\0\r\n", "{n:x}\r\r\n",
]
AFTER = ["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "", "X\r\n"]
LAST = ["0\r\n", "0\r\n", "0\r\n", "000\r\n", "0;x\r\n", "0\n", "-0\r\n", "0x0\r\n", "", "00000000000000000\r\n"]
TRAILERS = ["", "", "", "", "X-Sum: 1\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\nHost: b\r\n", "nothing\r\n", "X : y\r\n", "X: y\r\n z\r\n", "X: y\n"]
HOSTS = [
    "Host: a", "Host: a", "Host: a", "Host: a", "host:a", "Host: a\r\nHost: a", "Host: a\r\nHost: b", "Host: a, b", "Host: u@a", "Host: a/b", "Host:", "X: y",
    "Host : a", "Host: a\r\n b", "Host: a\r\nX_Forwarded_Host: b", "Host: a:80",
]
TARGETS = [
    "{t}", "{t}", "{t}", "{t}", "{t}", "http://a{t}", "http://b{t}", "HTTP://a:80{t}", "http://u@a{t}", "{t}#x", "{t}\\x", "{t} x", "{t}?a=%0d%0ab", "{t}%0d%0a",
    "*", "a:80", "ftp://a{t}", "{t}\t", "{t}\x01", "{t}\xe9",
]
METHODS = ["POST", "POST", "POST", "POST", "PUT", "GET", "GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "get", "G T", "P\0ST"]
VERSIONS = ["HTTP/1.1"] * 12 + ["HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "http/1.1", "HTTP/01.1", "HTTP/2.0", "HTTP/1.1 "]
OTHERS = [
    "", "", "", "", "Connection: keep-alive", "Connection: close", "Connection: keep-alive, x-a\r\nX-A: 1", "Connection: host, content-length, transfer-encoding",
    "Expect: 100-continue", "Expect: 100-continue", "Expect: magic", "Expect: 100-continue, 100-continue", "Connection: upgrade\r\nUpgrade: websocket",
    "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "TE: trailers\r\nConnection: te", "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive", "X: y\r\n z", "nothing", ": y", "X\0: y", "X: y\0", "X: y\x7f", "Trailer: Content-Length", "Content-Encoding: gzip",
]
DIRT = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b"\x0b", b"_", b":", b"\xff", b"0", b","]


class Messages:
    """Makes streams for one upstream; `random` decides everything."""

    def __init__(self, random, prefix):
        self.random, self.prefix, self.count = random, prefix, 0

    def target(self):
        """Nobody else's: an answer says by it what it answers."""
        self.count += 1
        return f"{self.prefix}/{self.count}"

    def marker(self):
        return f"POST {self.target()} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()

    def stream(self):
        """What one connection brings: perhaps good requests, then a doubtful one, then a marker."""
        random = self.random
        before = b"".join(self.marker() for _ in range(random.choice((0, 0, 0, 1, 2))))
        message = self.message()
        if random.random() < 0.2:
            message = self.changed(message)
        lead = random.choice((b"",) * 9 + (b"\r\n", b"\n", b"\r"))
        return before + lead + message + self.marker()

    def pick(self, table, wrong, right=1):
        """One of a table: something wrong this often, else one of its first rows."""
        return self.random.choice(table if self.random.random() < wrong else table[:right])

    def message(self):
        random = self.random
        # One thing is wrong, or none, or many.
        wrong = random.choice((0.0, 0.0, 0.15, 0.15, 0.3, 0.6))
        target = self.pick(TARGETS, wrong).format(t=self.target())
        line = f"{random.choice(METHODS if random.random() < 0.6 else METHODS[:1])} {target} {self.pick(VERSIONS, wrong)}"
        inner = random.choice((self.marker(), self.marker(), b"data", b"", b"0\r\n\r\n" + self.marker()))
        kind = random.choice(("length", "length", "chunked", "chunked", "both", "none"))
        fields, body = [self.pick(HOSTS, wrong)], inner
        if kind in ("chunked", "both"):
            body = self.chunks(inner, wrong)
            fields.append(self.pick(CODINGS, wrong, 2))
        if kind in ("length", "both"):
            length = random.choice((len(body), len(body), len(body), len(inner), 5, 0, len(body) + 1, max(0, len(body) - 1)))
            if kind == "length" and random.random() < 0.8:
                length = len(body)
            fields.append(self.pick(LENGTHS, max(wrong, 0.02)).format(n=length))
        if random.random() < max(wrong, 0.2):
            fields.append(random.choice(OTHERS))
        random.shuffle(fields)
        head = "\r\n".join([line, *(field for field in fields if field)]) + "\r\n\r\n"
        if random.random() < wrong / 4:
            head = head.replace("\r\n", random.choice(("\n", "\r")), random.choice((1, 2, 99)))
        return head.encode("latin-1") + body

    def chunks(self, data, wrong):
        random = self.random
        cut = random.randrange(len(data) + 1)
        out = b""
        for part in (data[:cut], data[cut:]):
            if part:
                size = self.pick(SIZES, wrong, 3).format(n=len(part), m=max(0, len(part) + random.choice((-2, -1, 1, 2))))
                out += size.encode("latin-1") + part + self.pick(AFTER, wrong).encode()
        return out + self.pick(LAST, wrong).encode() + self.pick(TRAILERS, max(wrong, 0.1)).encode() + b"\r\n"

    def changed(self, message):
        random, message = self.random, bytearray(message)
        for _ in range(random.choice((1, 1, 2))):
            at = random.randrange(len(message))
            message[at:at + random.choice((0, 1, 1, 2))] = random.choice(DIRT)
        return bytes(message)
