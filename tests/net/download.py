# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP server with one file, and a client that reads it slowly and checks its digest.

    download.py serve MEGABYTES        download.py fetch ADDRESS MEGABYTES SECONDS
"""

import hashlib
import http.client
import http.server
import json
import sys
import threading
import time

PORT = 8080
CHUNK = 64 * 1024


def chunk(number):
    """The file's content is known to both ends, and no two chunks are alike."""
    return (hashlib.sha256(str(number).encode()).digest() * (CHUNK // 32))[:CHUNK]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    chunks = 0

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(self.chunks * CHUNK))
        self.end_headers()
        for number in range(self.chunks):
            self.wfile.write(chunk(number))

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the client reports what it did not get; a trace in the demo's output helps nobody


def serve(megabytes):
    Handler.chunks = megabytes * 1024 * 1024 // CHUNK
    server = Server(("", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.read()  # until our starter closes it


def fetch(address, megabytes, seconds):
    """Reads by absolute time, so that a pause is caught up and the whole lasts `seconds`."""
    chunks = megabytes * 1024 * 1024 // CHUNK
    began = time.monotonic()
    result = {"ok": False, "bytes": 0, "error": ""}
    try:
        connection = http.client.HTTPConnection(address, PORT, timeout=60)
        connection.request("GET", "/")
        response = connection.getresponse()
        for number in range(chunks):
            time.sleep(max(0.0, began + seconds * number / chunks - time.monotonic()))
            data = response.read(CHUNK)
            result["bytes"] += len(data)
            if data != chunk(number):
                raise ValueError(f"chunk {number} is not what was sent")
        result["ok"] = True
    except (OSError, ValueError, http.client.HTTPException) as e:
        result["error"] = f"{type(e).__name__}: {e}"
    result["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        fetch(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
