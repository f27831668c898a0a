#!/usr/bin/env python3
"""One rank of a ring of plain TCP connections in which everybody sends to the next as fast as it goes. compare/shaped.py runs
it as the reference for what a network and a machine can carry in that pattern.

    compare/raw_ring.py LISTEN NEXT SECONDS       addresses as host:port; prints the bytes per second that came in
"""
import socket
import sys
import threading
import time

PIECE = 1 << 20
# The first moments do not count: TCP has not found its speed, and not all ranks send yet.
WARM_UP_SECONDS = 0.5
CONNECT_SECONDS = 20


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def connect(to):
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return socket.create_connection(to, timeout=CONNECT_SECONDS)
        except OSError as e:
            if time.monotonic() > end:
                sys.exit(f"raw_ring: {to[0]}:{to[1]}: {e}")
            time.sleep(0.02)


def send(to, end):
    piece = bytes(PIECE)
    try:
        while time.monotonic() < end:
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the next rank has measured long enough


def receive(source, seconds):
    piece = bytearray(PIECE)
    total, began, last = 0, time.monotonic() + WARM_UP_SECONDS, 0
    while True:
        n = source.recv_into(piece)
        now = time.monotonic()
        if n == 0 or now > began + seconds:
            return total / max(last - began, 1e-9) if total else 0
        if now > began:
            total, last = total + n, now


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    seconds = float(sys.argv[3])
    server = socket.create_server(address(sys.argv[1]))
    server.settimeout(CONNECT_SECONDS)
    to = connect(address(sys.argv[2]))
    source, _ = server.accept()
    to.settimeout(CONNECT_SECONDS)
    source.settimeout(CONNECT_SECONDS)
    sender = threading.Thread(target=send, args=(to, time.monotonic() + seconds + 2 * WARM_UP_SECONDS), daemon=True)
    sender.start()
    print(receive(source, seconds))
    sender.join()


if __name__ == "__main__":
    main()
