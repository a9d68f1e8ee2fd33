"""requests against a server in the same process, over the loopback interface"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIZE, TINY = 250, 4       # rounds of three requests
NEEDS = ("requests",)
SECONDS = 20              # of one request at most


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def answer(self, status, data, **headers):
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/moved"):
            return self.answer(302, None, Location="/there?again=1")
        return self.answer(200, {"path": self.path, "items": [{"id": i, "name": f"item {i}"} for i in range(20)]},
                           Set_Cookie="seen=yes; Path=/")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200 if self.headers.get("Cookie") else 403, {"got": json.loads(body)})

    def log_message(self, *arguments):
        pass


def main(folder: str, size: int) -> str:
    import requests

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2})
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    lines = []
    with requests.Session() as session:
        session.trust_env = False
        for number in range(size):
            answers = [session.get(f"{base}/items", params={"page": number, "q": "a b"}, timeout=SECONDS),
                       session.post(f"{base}/orders", json={"number": number, "lines": [1, 2, 3]}, timeout=SECONDS)]
            if number % 5 == 0:
                answers.append(session.get(f"{base}/moved", timeout=SECONDS))
            lines += [f"{answer.status_code} {len(answer.history)} {answer.json()}" for answer in answers]
    server.shutdown()
    thread.join()
    server.server_close()
    return "\n".join(lines)
