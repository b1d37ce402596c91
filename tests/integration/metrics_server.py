"""A real Prometheus on loopback, and an API server that does nothing but lead to it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from servers import Process, free_port, program, wait_for

QUICK = "1s"


class PrometheusServer(Process):
    """Scrapes ports of this machine every second; `targets` are their labels, by port."""

    def __init__(self, folder: Path, targets: Mapping[int, Mapping[str, str]], **scrape: Any) -> None:
        """scrape: what a scrape configuration has beside the ports."""
        prometheus, environ = program("prometheus", "prometheus")
        port = free_port()
        static = [{"targets": [f"127.0.0.1:{each}"], "labels": dict(labels)} for each, labels in targets.items()]
        configuration = {
            "global": {"scrape_interval": QUICK, "scrape_timeout": QUICK},
            "scrape_configs": [{"job_name": "application", "static_configs": static, **scrape}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        command = [
            prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        super().__init__(command, environ, port, folder / "log")
        self.start()

    def start(self) -> None:
        super().start()
        wait_for(self.ready, what="Prometheus is ready")

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def queries(self) -> float:
        """How many it was asked so far."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        counted = [each for each in lines if each.startswith("prometheus_http_requests_total{")]
        return sum(float(each.split()[-1]) for each in counted if 'handler="/api/v1/query"' in each)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class ApiServerDouble:
    """Passes GET requests for Service prometheus:9090 in namespace hustlex on; others do not exist."""

    def __init__(self, target: str) -> None:
        prefix = "/api/v1/namespaces/hustlex/services/prometheus:9090/proxy"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.startswith(f"{prefix}/"):
                    details = {"name": "prometheus", "kind": "services"}
                    status = {"kind": "Status", "message": 'services "prometheus" not found', "details": details}
                    return self._answer(404, json.dumps(status).encode())
                try:
                    with urllib.request.urlopen(target + self.path.removeprefix(prefix), timeout=10) as answer:
                        return self._answer(answer.status, answer.read())
                except urllib.error.HTTPError as error:
                    return self._answer(error.code, error.read())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def kubeconfig(self) -> dict[str, Any]:
        server = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "double", "cluster": {"server": server}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "nobody"}}],
            "current-context": "double",
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
