"""Debian's Prometheus, which finds what to scrape by Eureka."""

from stage import Program, ask, free_port

SETTINGS = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: eureka
    eureka_sd_configs: [{{ server: "{server}", refresh_interval: 1s }}]
    relabel_configs:
      - {{ source_labels: [__meta_eureka_app_instance_id], target_label: instance }}
"""


class Prometheus:
    def __init__(self, server, folder):
        self.url = f"http://127.0.0.1:{free_port()}"
        settings = folder / "prometheus.yml"
        settings.write_text(SETTINGS.format(server=server.url))
        self.program = Program("prometheus", [
            "prometheus", f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ])

    def targets(self):
        """Health of everything it scrapes, by instance id."""
        active = ask(f"{self.url}/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in active}
