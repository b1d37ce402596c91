"""What role backup writes is what the jobs read."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from backup.policy import Policy
from jobs.settings import Settings

ROLE = Path(__file__).parents[3] / "roles" / "backup"


def test_the_jobs_understand_their_settings(tmp_path: Path) -> None:
    loader = DataLoader()
    variables = {"hustlex_environment": "staging", "hustlex_namespace": "shop", "backup_store_ca_file": "/some/ca.crt"}
    for part in ("vars", "defaults"):
        variables = {**loader.load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True), **variables}
    text = Templar(loader=loader, variables=variables).template(trust_as_template("{{ __backup_settings | to_json }}"))
    (tmp_path / "backup.json").write_text(text if isinstance(text, str) else json.dumps(text))
    settings = Settings.read(tmp_path)
    assert (settings.environment, settings.namespace, settings.stanza) == ("staging", "shop", "main")
    assert settings.wal_segment_bytes == 16 * 1024 * 1024
    assert (settings.store_settings.bucket, settings.store_settings.path_style) == ("hustlex-backups", False)
    assert (settings.store_settings.ca_file, settings.store_settings.credentials_file) == (
        "/etc/backup/store/ca.crt",
        "",
    )
    policy = Policy.from_mapping(settings.policy)
    assert (policy.window_days, policy.dumps.days, policy.snapshots.days) == (7, 30, 7)
