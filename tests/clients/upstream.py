"""The small API behind the gateway in the client tests: it answers who holds its key."""
import http.server
import json
import threading
from urllib.parse import unquote, urlsplit


class Upstream:
    """`GET /greetings/NAME` with `X-Api-Key`; everything else is refused. Counts both."""

    def __init__(self, key):
        self.answered, self.refused = [], []
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = urlsplit(self.path).path
                if self.headers.get("X-Api-Key") != key:
                    self.say(401, {"error": "wrong key"})
                elif not path.startswith("/greetings/"):
                    self.say(404, {"error": "no such thing"})
                else:
                    self.say(200, {"greeting": f"Good day, {unquote(path.removeprefix('/greetings/'))}"})

            def say(self, status, value):
                (upstream.answered if status == 200 else upstream.refused).append(self.path)
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
