"""The server: one page, and what is pushed to it, for a browser on this machine and nobody else.

It listens on the loopback address only. Every request must carry the token of the address that was
printed, name this server as its Host, and, where a browser says where it comes from, come from this page.
There are three things to ask for: the page, the stream of events, and commands; no file is reachable.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from threading import Thread
from urllib.parse import parse_qs, urlsplit

MOST_BYTES = 2_000_000  # of a command: some ten thousand drawn points
HEARTBEAT = 1.0  # seconds of silence after which a page is asked whether it is still there


def page(replay=None):
    """Return the page as text, with its script, and with a replay in it if one is given."""
    folder = resources.files("tinygan.lab")
    script = (folder / "lab.js").read_text(encoding="utf-8")
    data = json.dumps(replay).replace("<", "\\u003c")  # nothing in it ends the script
    html = (folder / "lab.html").read_text(encoding="utf-8")
    return html.replace("/* the script */", f"const REPLAY = {data};\n{script}")


class Server(ThreadingHTTPServer):
    """Serves one ``playing.Lab`` on 127.0.0.1; OSError where the port is taken. Port 0 is any free one."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would share the port with another program

    def __init__(self, lab, port=0, token=None):
        self.lab, self.token = lab, token or secrets.token_urlsafe(16)
        super().__init__(("127.0.0.1", port), Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def address(self):
        """What to open in a browser."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"

    def handle_error(self, request, client_address):
        """Say nothing where a browser has gone; tell anything else as usual."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(lab, port=0):
    """Within this context a Server answers, in threads of its own."""
    with Server(lab, port) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = 30  # seconds for a request to arrive, or for a page to take what is sent
    server_version, sys_version = "tinygan", ""

    def do_GET(self):
        url = urlsplit(self.path)
        if not self.is_allowed(parse_qs(url.query).get("token", [""])[0]):
            return
        if url.path == "/":
            self.send_page(page())
        elif url.path == "/replay":
            self.send_page(page(self.server.lab.replay()), "tinygan-replay.html")
        elif url.path == "/events":
            self.send_events()
        else:
            self.refuse(404, "there is nothing of this name")

    def do_POST(self):
        url = urlsplit(self.path)
        if not self.is_allowed(self.headers.get("X-Token", "")):
            return
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= MOST_BYTES:
            return self.refuse(413, f"a command has at most {MOST_BYTES:,} bytes, and says how many")
        try:
            arguments = json.loads(self.rfile.read(size) or b"{}")
            if not isinstance(arguments, dict):
                raise ValueError("a command's arguments are an object")
            answer = self.server.lab.do(url.path.removeprefix("/do/"), arguments)
        except (ValueError, RecursionError) as error:  # of JSON, too
            return self.refuse(422, str(error))
        self.send(200, "application/json", json.dumps(answer))

    def is_allowed(self, token):
        """Return whether this is our page asking; if not, the refusal has been sent."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts:  # another name that leads here: a page from elsewhere may have set it up
            self.refuse(403, "this server answers to its own address only")
        elif origin is not None and origin not in {f"http://{name}" for name in self.server.hosts}:
            self.refuse(403, "only its own page may ask this server")
        elif not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self.refuse(403, "open the address that tinygan lab has printed, with its token")
        else:
            return True
        return False

    def refuse(self, code, message):
        """Send one line that says why not."""
        self.send(code, "application/json", json.dumps({"error": message}))

    def send(self, code, kind, text, **headers):
        """Send a whole answer."""
        body = text.encode()
        self.send_response(code)
        common = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": len(body),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in (common | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def send_page(self, html, filename=None):
        """Send a page that may run its own script and ask this server, nothing else."""
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {"Content-Security-Policy": policy}
        if filename:
            headers["Content-Disposition"] = f'attachment; filename="{filename}"'
        else:
            html = html.replace("<script>", f'<script nonce="{nonce}">', 1)
        self.send(200, "text/html", html, **headers)

    def send_events(self):
        """Send the newest message again and again, until the page is closed; what came between is left out."""
        lab = self.server.lab
        lab.arrived()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            with lab.lock:
                lab.publish()
            seen = 0
            while True:
                with lab.news:
                    lab.news.wait_for(lambda seen=seen: lab.version > seen, HEARTBEAT)
                    text, seen = (lab.message, lab.version) if lab.version > seen else ("", seen)
                self.wfile.write(f"data: {text}\n\n".encode() if text else b": still here\n\n")
                self.wfile.flush()
        finally:
            lab.left()

    def log_message(self, format, *args):
        """Print nothing."""
