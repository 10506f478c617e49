"""A local HTTP server for the tests of downloads."""

import http.server
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files with Range; `breaks` cuts the first so many answers in half."""

    breaks = 0
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        Handler.asked.append(self.headers.get("Range", ""))
        if start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if Handler.breaks:
            Handler.breaks -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass
