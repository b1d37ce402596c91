from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ManifestError
from ansible_collections.hustlex.platform.plugins.plugin_utils.templates import find_templates, render


def templates(folder: Path, **texts: str) -> Path:
    (folder / "templates").mkdir()
    for name, text in texts.items():
        (folder / "templates" / f"{name}.yaml.j2").write_text(text)
    return folder


def rendered(folder: Path, **variables: object) -> dict[str, str]:
    paths = find_templates(["*.yaml.j2"], [str(folder)])
    return dict(render(Templar(loader=DataLoader(), variables={}), paths, [str(folder)], variables))


def test_files_are_sorted_found_once_and_in_the_nearest_folder(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    templates(near, b="", a="")
    templates(far, a="", c="")
    found = find_templates(["*.j2", "a.*"], [str(near), str(far)])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "near/templates/a.yaml.j2",
        "near/templates/b.yaml.j2",
    ]
    with pytest.raises(ManifestError, match=r'No template matches "d\*" in .*/near/templates'):
        find_templates(["d*"], [str(near)])


def test_variables_blocks_and_a_template_that_is_one_expression(tmp_path: Path) -> None:
    templates(tmp_path, a="{% for x in items %}\n- {{ x }}\n{% endfor %}\n", b="{{ {'kind': 'X'} }}")
    assert rendered(tmp_path, items=["one", "two"]) == {"a.yaml.j2": "- one\n- two\n", "b.yaml.j2": '{"kind": "X"}'}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ nowhere }}", "a.yaml.j2 cannot be rendered: 'nowhere' is undefined"),
        ("{% if %}", "a.yaml.j2 cannot be rendered: Expected an expression"),
        ("{{ 'x' | hustlex.platform.dotenv }}", "a.yaml.j2 cannot be rendered: "),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    templates(tmp_path, a=text)
    with pytest.raises(ManifestError) as caught:
        rendered(tmp_path)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
