"""How this machine's ways to the package registries reach the builds."""

from __future__ import annotations

import pytest
from embedkube import rootfs
from embedkube.run import Failure


def test_the_machines_own_mirrors_are_used() -> None:
    targets = [
        "bookworm Debian http://mirror.example/debian/",
        "bookworm-updates Debian http://other.example/debian/",
        "bookworm-security Debian http://mirror.example/debian-security/",
        "nodistro Another https://example.org/x/",
    ]
    assert rootfs.chosen_mirrors(targets) == (
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
    )


@pytest.mark.parametrize("targets", [[], ["noble Ubuntu http://mirror.example/ubuntu/"], ["x Debian file:/srv/debian"]])
def test_without_a_usable_mirror_a_variable_names_one(targets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(rootfs.MIRROR_VARIABLE, raising=False)
    with pytest.raises(Failure, match=rootfs.MIRROR_VARIABLE):
        rootfs.chosen_mirrors(targets)
    monkeypatch.setenv(rootfs.MIRROR_VARIABLE, "http://mirror.example/debian/")
    assert rootfs.chosen_mirrors(targets) == ("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_the_environment_wins_over_pips_files() -> None:
    listed = [
        ":env:.index-url='https://env.example/simple'",
        "global.index-url='https://global.example/simple'",
        "global.extra-index-url='https://a.example https://b.example'",
        "global.find-links='/opt/wheels'",
        "global.cert='/etc/company.crt'",
        "nonsense",
    ]
    assert rootfs.pip_settings(listed, "/run/build/ca.crt") == (
        "[global]\n"
        "extra-index-url = https://a.example\n    https://b.example\n"
        "index-url = https://env.example/simple\n"
        "cert = /run/build/ca.crt\n"
    )


def test_apt_gets_proxies_and_certificates_only(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = [
        'Acquire::http::Proxy "http://proxy:3128";',
        'Acquire::https::Proxy::mirror.example "DIRECT";',
        'Acquire::http::Pipeline-Depth "0";',
        'Dir::Cache "var/cache/apt";',
    ]
    monkeypatch.setattr(rootfs, "_apt_config", lambda: dump)
    assert rootfs.apt_settings("/run/build/ca.crt") == [
        'Acquire::Retries "3";',
        'Acquire::Languages "none";',
        'Acquire::https::CAInfo "/run/build/ca.crt";',
        dump[0],
        dump[1],
    ]


def test_keys_depend_on_the_base_below() -> None:
    assert rootfs.rootfs_key() != rootfs.base_key()
