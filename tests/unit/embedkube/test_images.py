"""The table of images and the keys that say which of them to build anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from embedkube import build, images
from embedkube.config import EMBEDDED_IMAGES, Paths
from embedkube.gobuild import MODULES
from embedkube.run import Failure

ROWS = """
- {name: localhost/x/web, tag: 1, context: web, arguments: {APP_VERSION: 1}}
- {name: localhost/x/web, tag: 2, context: web, arguments: {APP_VERSION: 2}}
- {name: localhost/x/db, tag: 1, context: db}
- {name: localhost/x/pause, tag: 1, binary: pause}
- {name: localhost/x/s3, tag: 1, binary: s3}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for context in ("web", "db", "embedded/base"):
        (tmp_path / context).mkdir(parents=True)
        (tmp_path / context / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (tmp_path / images.TABLE).write_text(ROWS)
    return tmp_path


def keys(folder: Path, base: str = "base", binaries: str = "bin") -> dict[str, str]:
    return images.sources(images.table(folder), folder, base, {"s3": "own", "pause": binaries})


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name.removeprefix("localhost/x/") for name in after if before.get(name) != after[name]}


def test_arguments_tell_images_of_one_context_apart(folder: Path) -> None:
    assert len(set(keys(folder).values())) == 5
    assert images.table(folder)[0].arguments == {"APP_VERSION": "1"}


def test_a_changed_file_concerns_only_the_images_of_its_context(folder: Path) -> None:
    before = keys(folder)
    (folder / "web" / "new").touch()
    assert changed(before, keys(folder)) == {"web:1", "web:2"}


def test_an_image_on_another_changes_with_it(folder: Path) -> None:
    with (folder / images.TABLE).open("a") as table:
        table.write("- {name: localhost/x/app, tag: 1, context: app, arguments: {BASE: 'localhost/x/db:1'}}\n")
    (folder / "app").mkdir()
    before = keys(folder)
    (folder / "db" / "new").touch()
    assert changed(before, keys(folder)) == {"db:1", "app:1"}
    rows = images.table(folder)
    assert [image.reference for image in images.with_bases(rows[-1:], rows)] == [
        "localhost/x/db:1",
        "localhost/x/app:1",
    ]


def test_a_base_must_come_first(folder: Path) -> None:
    row = "- {name: a, tag: 1, context: web, arguments: {BASE: 'b:1'}}\n- {name: b, tag: 1, context: db}"
    (folder / images.TABLE).write_text(row)
    with pytest.raises(Failure, match="a:1 must come after its base b:1"):
        keys(folder)


def test_a_variant_changes_with_its_original_and_its_environment(folder: Path) -> None:
    rows = ROWS + "- {name: localhost/x/web, tag: 3, variant_of: 'localhost/x/web:1', environment: {FAULTS: %s}}\n"
    (folder / images.TABLE).write_text(rows % "A=1")
    before = keys(folder)
    (folder / images.TABLE).write_text(rows % "A=2")
    assert changed(before, keys(folder)) == {"web:3"}
    (folder / "web" / "new").touch()
    assert changed(before, keys(folder)) == {"web:1", "web:2", "web:3"}
    assert images.with_bases(images.table(folder)[-1:], images.table(folder)) == []


def test_a_variant_changes_with_its_program(folder: Path) -> None:
    rows = ROWS + "- {name: localhost/x/cli, tag: 1, variant_of: 'localhost/x/web:1', entrypoint: %s}\n"
    (folder / images.TABLE).write_text(rows % "/bin/a")
    before = keys(folder)
    (folder / images.TABLE).write_text(rows % "/bin/b")
    assert changed(before, keys(folder)) == {"cli:1"}


def test_a_program_that_nothing_compiles_is_named(folder: Path) -> None:
    (folder / images.TABLE).write_text("- {name: a, tag: 1, binary: absent}")
    with pytest.raises(Failure, match="a:1 holds absent, which nothing compiles"):
        keys(folder)


def test_a_variant_must_come_after_its_original(folder: Path) -> None:
    (folder / images.TABLE).write_text("- {name: a, tag: 1, variant_of: 'b:1'}\n- {name: b, tag: 1, context: db}")
    with pytest.raises(Failure, match="a:1 must come after b:1"):
        keys(folder)


def test_a_further_folder_counts(folder: Path) -> None:
    (folder / images.TABLE).write_text("- {name: a, tag: 1, context: web, contexts: {more: ../more}}")
    more = folder.parent / "more"
    more.mkdir()
    (more / "file").write_text("a")
    before = keys(folder)
    (more / "file").write_text("b")
    assert keys(folder) != before


def test_a_changed_base_concerns_every_image_on_it(folder: Path) -> None:
    assert changed(keys(folder), keys(folder, base="other")) == {"web:1", "web:2", "db:1"}


def test_changed_binaries_concern_only_their_images(folder: Path) -> None:
    assert changed(keys(folder), keys(folder, binaries="other")) == {"pause:1"}


@pytest.mark.parametrize("change", ["content", "mode", "name", "link"])
def test_every_change_of_a_context_counts(folder: Path, change: str) -> None:
    file = folder / "web" / "start"
    file.write_text("a")
    before = images.context_key(folder / "web")
    if change == "content":
        file.write_text("b")
    elif change == "mode":
        file.chmod(0o755)
    elif change == "name":
        file.rename(file.with_name("begin"))
    else:
        (folder / "web" / "link").symlink_to("start")
    assert images.context_key(folder / "web") != before


def test_what_tools_leave_behind_does_not_count(folder: Path) -> None:
    before = keys(folder)
    (folder / "web" / "__pycache__").mkdir()
    (folder / "web" / "__pycache__" / "x.pyc").touch()
    assert keys(folder) == before


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("- {name: a, tag: 1}", "either context or binary"),
        ("- {name: a, tag: 1, context: b, binary: c}", "either context or binary"),
        ("- {name: a, tag: 1, binary: b, variant_of: c}", "either context or binary or variant_of"),
        ("- {name: a, context: b}", "needs name and tag"),
        ("- {name: a, tag: 1, contxt: b}", "unknown field contxt"),
        ("- {name: a, tag: 1, binary: b}\n- {name: a, tag: 1, binary: b}", "lists a:1 more than once"),
    ],
)
def test_a_wrong_row_is_named(folder: Path, rows: str, said: str) -> None:
    (folder / images.TABLE).write_text(rows)
    with pytest.raises(Failure, match=said):
        images.table(folder)


def test_an_absent_context_is_named(folder: Path) -> None:
    (folder / images.TABLE).write_text("- {name: a, tag: 1, context: absent}")
    with pytest.raises(Failure, match="absent, the context of an image, is not a folder"):
        keys(folder)


def test_the_real_table_has_what_the_cluster_runs() -> None:
    table = images.table(build.images_folder(Paths("test")))
    assert set(EMBEDDED_IMAGES.values()) <= {image.reference for image in table}
    assert {image.binary for image in table if image.binary} <= {name for each in MODULES for name in each.binaries}


def test_only_images_with_other_content_are_imported_anew() -> None:
    there = {"a": {"manifest": "1"}, "b": {"manifest": "1"}}
    wanted = {"a": {"manifest": "1"}, "b": {"manifest": "2"}, "c": {"manifest": "1"}}
    assert build.changed_images(wanted, there) == ["b", "c"]
