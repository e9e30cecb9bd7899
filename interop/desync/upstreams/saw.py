"""What an upstream says of a request, in its answer and on standard output."""

import sys


def line(method, target, body):
    """`METHOD TARGET LENGTH:HASH`, or `-` for a body that was not read."""
    text = f"{method} {target} {'-' if body is None else f'{len(body)}:{fnv(body):08x}'}"
    say(f"SAW {text}")
    return text


def say(text):
    """One write, so that threads do not mix their lines."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fnv(data):
    """FNV-1a, 32 bits: every language has it, or has it in three lines."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
