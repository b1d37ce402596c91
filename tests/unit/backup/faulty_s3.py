"""An S3 server in this process that fails on demand; keys in memory, one bucket, no signatures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML = '<?xml version="1.0" encoding="UTF-8"?>'


@dataclass
class Fault:
    """C(times) requests of C(method) whose path and query hold C(part) are answered with an error, or cut off."""

    method: str
    part: str = ""
    code: str = ""
    status: int = 500
    cut_at: int | None = None
    times: int = 1


@dataclass
class FaultyS3:
    """C(delete_errors): code by key that DeleteObjects reports with status 200; taken away after one report."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    delete_errors: dict[str, str] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    skew: float = 0.0
    page: int = 1000
    modified: dict[str, float] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    stray: str = ""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The address of the running server."""
        double = self

        class Handler(_Handler):
            s3 = double

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def fault_for(self, method: str, target: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and fault.part in target and fault.times > 0:
                fault.times -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: FaultyS3

    def log_message(self, *_arguments: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate((timestamp or time.time()) + self.s3.skew, usegmt=True)

    def modified(self, key: str) -> str:
        return formatdate(self.s3.modified.get(key, 0), usegmt=True)

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.s3.requests.append(f"{self.command} {self.path}")
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        key = unquote(split.path).removeprefix("/bucket").removeprefix("/")
        fault = self.s3.fault_for(self.command, self.path)
        if fault and fault.code:
            return self.error(fault.status, fault.code)
        return getattr(self, f"_{self.command.lower()}")(key, query, body, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request  # noqa: N815

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str) -> None:
        text = f"{XML}<Error><Code>{code}</Code><Message>secret-in-the-message</Message></Error>"
        self.answer(status, text.encode(), Content_Type="application/xml")

    def _head(self, key: str, _query: dict[str, str], _body: bytes, _fault: Fault | None) -> None:
        self.answer(200 if key in self.s3.objects else 404)

    def _get(self, key: str, query: dict[str, str], _body: bytes, fault: Fault | None) -> None:
        if not key:
            return self.listing(query)
        if key not in self.s3.objects:
            return self.error(404, "NoSuchKey")
        content = self.s3.objects[key]
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        rest = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"etag"')
        self.send_header("Last-Modified", self.modified(key))
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if fault and fault.cut_at is not None:
            self.wfile.write(rest[: fault.cut_at])
            self.close_connection = True
            return None
        self.wfile.write(rest)
        return None

    def listing(self, query: dict[str, str]) -> None:
        prefix = query.get("prefix", "")
        keys = sorted(key for key in self.s3.objects if key.startswith(prefix))
        start = int(query.get("continuation-token") or 0)
        size = min(self.s3.page, int(query.get("max-keys") or 1000))
        page, more = keys[start : start + size], len(keys) > start + size
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{len(self.s3.objects.get(key, b''))}</Size>"
            "<LastModified>2026-11-24T03:00:00.000Z</LastModified></Contents>"
            for key in [*page, *([self.s3.stray] if self.s3.stray else [])]
        )
        token = f"<NextContinuationToken>{start + size}</NextContinuationToken>" if more else ""
        head = f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        text = f'{XML}<ListBucketResult xmlns="{NAMESPACE}">{head}{entries}</ListBucketResult>'
        self.answer(200, text.encode(), Content_Type="application/xml")

    def _put(self, key: str, query: dict[str, str], body: bytes, _fault: Fault | None) -> None:
        if "uploadId" in query:
            self.s3.uploads[query["uploadId"]][int(query["partNumber"])] = body
        elif self.headers.get("If-None-Match") == "*" and key in self.s3.objects:
            return self.error(412, "PreconditionFailed")
        else:
            self.s3.objects[key] = body
            self.s3.modified[key] = time.time() + self.s3.skew
        return self.answer(200, ETag='"etag"')

    def _post(self, key: str, query: dict[str, str], body: bytes, _fault: Fault | None) -> None:
        if "delete" in query:
            return self.delete_objects(body)
        if "uploads" in query:
            name = f"upload-{len(self.s3.requests)}"
            self.s3.uploads[name] = {}
            text = f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, (XML + text).encode())
        parts = self.s3.uploads.pop(query["uploadId"])
        self.s3.objects[key] = b"".join(parts[number] for number in sorted(parts))
        return self.answer(
            200, (XML + '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>').encode()
        )

    def delete_objects(self, body: bytes) -> None:
        results = []
        keys = [element.text or "" for element in ElementTree.fromstring(body).iter(f"{{{NAMESPACE}}}Key")]
        assert len(keys) <= 1000
        for key in keys:
            code = "AccessDenied" if key in self.s3.locked else self.s3.delete_errors.pop(key, "")
            code = "SlowDown" if key in self.s3.busy else code
            if code:
                results.append(f"<Error><Key>{key}</Key><Code>{code}</Code><Message>no</Message></Error>")
            else:
                self.s3.objects.pop(key, None)
                results.append(f"<Deleted><Key>{key}</Key></Deleted>")
        self.answer(
            200, f"{XML}<DeleteResult>{''.join(results)}</DeleteResult>".encode(), Content_Type="application/xml"
        )

    def _delete(self, key: str, query: dict[str, str], _body: bytes, _fault: Fault | None) -> None:
        if "uploadId" in query:
            self.s3.uploads.pop(query["uploadId"], None)
        else:
            self.s3.objects.pop(key, None)
        self.answer(204)
