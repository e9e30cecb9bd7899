"""A WSGI application, for gunicorn."""

from saw import line


def app(environ, start_response):
    body = environ["wsgi.input"].read()
    length = environ.get("CONTENT_LENGTH")
    if length and len(body) < int(length):
        raise ConnectionError("the body broke off")
    text = line(environ["REQUEST_METHOD"], environ["RAW_URI"], body)
    start_response("200 OK", [("X-Saw", text), ("Content-Length", str(len(text)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [text.encode("latin-1")]
