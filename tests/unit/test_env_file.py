from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils import env_file
from ansible_collections.hustlex.platform.plugins.module_utils.text import dotenv, secret_rules

KEYS = {"JWT_SECRET": 48, "DB_PASSWORD": 24, "PAYSTACK_SECRET_KEY": 24}


def test_nothing_is_there(tmp_path: Path) -> None:
    assert env_file.inspect(tmp_path / ".env") is None


def test_a_new_file_is_complete_private_and_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    old = os.umask(0)
    try:
        assert env_file.create(path, env_file.generated_text(KEYS))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    secret_rules.check(dotenv.parse(path.read_text()), KEYS, "development")
    assert env_file.inspect(path) == env_file.EnvFile(encrypted=False, readable_by_others=False)


def test_values_differ_each_time() -> None:
    assert env_file.generated_text(KEYS) != env_file.generated_text(KEYS)


def test_a_file_that_appeared_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    assert not env_file.create(path, "A=2\n")
    assert path.read_text() == "A=1\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_open_to_others_is_noticed(tmp_path: Path, mode: int) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(mode)
    found = env_file.inspect(path)
    assert found is not None
    assert found.readable_by_others


def test_an_encrypted_file_may_be_open(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    path.chmod(0o644)
    assert env_file.inspect(path) == env_file.EnvFile(encrypted=True, readable_by_others=False)


def test_what_cannot_serve_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, problem in {"": "is not a file", "empty": "is empty", "dangling": "is a link to a file"}.items():
        with pytest.raises(env_file.EnvFileError, match=problem):
            env_file.inspect(tmp_path / name)
    with pytest.raises(env_file.EnvFileError, match="cannot be reached: Not a directory"):
        env_file.inspect(tmp_path / "empty" / ".env")
    with pytest.raises(env_file.EnvFileError, match="cannot be written: No such file"):
        env_file.create(tmp_path / "nowhere" / ".env", "A=1\n")


def test_an_unreadable_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(env_file.EnvFileError, match="cannot be read: Permission denied"):
        env_file.inspect(path)
