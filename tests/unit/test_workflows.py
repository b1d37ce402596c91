"""What the workflows may do, and that what they name is there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..workflow import GITHUB, ROOT, Step, all_steps, load, playbook_steps, workflow_steps

WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
DEPLOY = load(GITHUB / "workflows" / "deploy.yml")
JOBS: dict[str, dict[str, Any]] = DEPLOY["jobs"]
TAKES_A_ROLE = ("aws-actions/configure-aws-credentials@", "./.github/actions/prepare")
VARIABLES = {"IMAGE": "registry.test/hustlex/api", "APP_VERSION": "sha256:" + "0" * 64, "RELEASE": "12"}
# A job whose environment is an input is looked at in each of them.
PLAYBOOK_STEPS = [
    pytest.param(step, VARIABLES | {"ENVIRONMENT": environment}, id=f"{step.job}-{step.name}-{environment}")
    for step in playbook_steps()
    for environment in ("staging", "production")
    if step.job in (environment, "rollback")
]


def steps_of(job: str) -> list[Step]:
    return [step for step in workflow_steps(GITHUB / "workflows" / "deploy.yml") if step.job == job]


def inventory(environment: str, role: str) -> dict[str, Any]:
    return load(ROOT / "inventories" / environment / "group_vars" / "all" / f"{role}.yml")


@pytest.mark.parametrize("path", [*WORKFLOWS, *GITHUB.glob("actions/*/action.yml")], ids=lambda path: path.parent.name)
def test_every_action_is_pinned_by_commit_and_says_its_version(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        local = re.search(r"uses: \./(\S+)$", line)
        if local:
            assert (ROOT / local[1] / "action.yml").exists(), line
        else:
            assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line), line


def test_one_action_has_one_version() -> None:
    pins = {step.uses for step in all_steps() if "@" in step.uses}
    assert len(pins) == len({pin.partition("@")[0] for pin in pins}), pins


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_may_only_read_and_end_in_time(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        steps = [step for step in workflow_steps(path) if step.job == name]
        takes_a_role = any(step.uses.startswith(TAKES_A_ROLE) for step in steps)
        assert job["permissions"] == {"contents": "read"} | ({"id-token": "write"} if takes_a_role else {}), name
        assert 0 < job["timeout-minutes"] <= (150 if path.name == "drills.yml" else 90), name


@pytest.mark.parametrize("step", all_steps(), ids=lambda step: f"{step.job}-{step.name}")
def test_no_value_is_pasted_into_a_command_or_left_on_the_disk(step: Step) -> None:
    assert "${{" not in step.run
    assert "pull_request_target" not in step.run
    if step.uses.startswith("actions/checkout@"):
        assert step.content["with"]["persist-credentials"] is False


def test_the_only_secret_is_the_vault_password_and_only_playbooks_see_it() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in GITHUB.rglob("*.yml"))
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"VAULT_PASSWORD"}
    with_secret = [step for step in all_steps() if "secrets." in str(step.content)]
    assert [step.run for step in with_secret] == [step.run for step in playbook_steps()]
    assert all(step.content["env"] == {"VAULT_PASSWORD": "${{ secrets.VAULT_PASSWORD }}"} for step in with_secret)
    assert not any("secrets." in str({**job, "steps": []}) for job in JOBS.values())


@pytest.mark.parametrize("job", ["build", "staging", "production", "rollback"])
def test_one_at_a_time_and_never_cancelled_midway(job: str) -> None:
    assert JOBS[job]["concurrency"]["cancel-in-progress"] is False


def test_an_environment_has_one_deploy_at_a_time() -> None:
    assert JOBS["staging"]["concurrency"]["group"] == "deploy-staging"
    assert JOBS["production"]["concurrency"]["group"] == "deploy-production"
    assert JOBS["rollback"]["concurrency"]["group"] == "rollback-${{ inputs.environment }}"


def test_everything_that_reaches_a_cluster_is_under_the_rules_of_its_environment() -> None:
    reaching = {step.job for step in all_steps() if step.uses == "./.github/actions/prepare"}
    assert {job: JOBS[job]["environment"]["name"] for job in reaching} == {
        "staging": "staging",
        "production": "production",
        "rollback": "${{ inputs.environment }}",
    }
    assert DEPLOY["on"]["workflow_dispatch"]["inputs"]["environment"]["options"] == ["staging", "production"]


def test_branches_lead_where_the_guide_says() -> None:
    assert DEPLOY["on"]["push"]["branches"] == ["develop", "main"]
    assert "github.event_name == 'push' && github.ref == 'refs/heads/develop'" in JOBS["build"]["if"]
    assert "github.event_name == 'push' && github.ref == 'refs/heads/main'" in JOBS["staged"]["if"]
    for job in ("staged", "rollback"):
        refusal = steps_of(job)[0]
        assert "github.ref != 'refs/heads/main'" in refusal.content["if"]
        assert refusal.run.endswith("exit 1\n")


def needed(job: str) -> set[str]:
    """Every job that must have succeeded before."""
    direct = JOBS[job].get("needs", [])
    direct = {direct} if isinstance(direct, str) else set(direct)
    return direct.union(*(needed(name) for name in direct))


def test_production_runs_what_staging_ran_and_builds_nothing() -> None:
    assert JOBS["production"]["env"]["APP_VERSION"] == "${{ needs.staged.outputs.digest }}"
    find = next(step for step in steps_of("staged") if step.content.get("id") == "find")
    assert find.run == 'python3 scripts/image staged "$VERSION" >> "$GITHUB_OUTPUT"'
    before = needed("production") | {"production"}
    assert not any("build-push-action" in step.uses for job in before for step in steps_of(job))
    assert {"build", "staging"} <= needed("record")


def test_who_pushes_reaches_no_cluster_and_who_deploys_pushes_nothing() -> None:
    for name, job in JOBS.items():
        with_role = [step for step in steps_of(name) if step.uses.startswith(TAKES_A_ROLE)]
        roles = {step.content["with"].get("role-to-assume") or step.content["with"].get("role") for step in with_role}
        expected = {"build": "PUSH", "record": "PUSH", "staged": "PULL"}.get(name, "DEPLOY")
        assert roles == {f"${{{{ vars.AWS_{expected}_ROLE }}}}"}, name
        assert ("environment" in job) == (expected == "DEPLOY"), name


def test_the_image_is_built_from_what_is_there_for_a_registry_that_a_variable_names() -> None:
    assert (ROOT / DEPLOY["env"]["CONTEXT"]).is_dir()
    assert (ROOT / DEPLOY["env"]["CONTAINERFILE"]).is_file()
    assert DEPLOY["env"]["IMAGE"].startswith("${{ vars.REGISTRY }}/")


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_deploy_checks_deploys_and_shows(environment: str) -> None:
    steps = [step for step in steps_of(environment) if step.run]
    playbooks = [re.search(r"playbooks/(\w+)\.yml", step.run) for step in steps]
    assert [found and found[1] for found in playbooks] == ["deploy", "deploy", "history", "status"]
    preflight, deploy = steps[:2]
    assert preflight.run == f"{deploy.run} --tags preflight"
    assert steps[-1].content["if"].startswith("failure()")


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_addresses_and_contexts_are_the_inventory_s(environment: str) -> None:
    assert JOBS[environment]["environment"]["url"] == inventory(environment, "hustlex")["hustlex_url"]
    context = inventory(environment, "cluster")["cluster_context"]
    for job in (environment, "rollback"):
        prepare = next(step for step in steps_of(job) if step.uses == "./.github/actions/prepare")
        assert context in prepare.content["with"]["context"]


@pytest.mark.parametrize(("step", "variables"), PLAYBOOK_STEPS)
def test_playbook_inventory_and_variables_are_there(step: Step, variables: dict[str, str]) -> None:
    program, playbook, option, folder, *rest = step.command(variables)
    assert (program, option) == ("ansible-playbook", "-i")
    assert (ROOT / playbook).is_file(), f"{playbook} is not there"
    assert folder == f"inventories/{variables['ENVIRONMENT']}"
    assert (ROOT / folder / "hosts.yml").is_file()
    specs = yaml.safe_load((ROOT / "roles" / "app" / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    known = {name for entry in specs["argument_specs"].values() for name in entry.get("options", {})}
    for flag, value in zip(rest[::2], rest[1::2], strict=True):
        assert flag in ("-e", "--tags")
        if flag == "-e":
            name = value.partition("=")[0]
            assert name in known or re.search(rf"\b{name}\b", (ROOT / playbook).read_text(encoding="utf-8")), name


def test_ci_runs_what_the_readme_says() -> None:
    ci = load(GITHUB / "workflows" / "ci.yml")
    assert set(ci["on"]) == {"push", "pull_request"}
    assert ci["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert ci["jobs"]["test"]["steps"][-1]["run"].endswith(" make test")


@pytest.mark.parametrize(("password", "code"), [("s3cret $HOME `id`", 0), ("", 1)])
def test_vault_password_comes_from_the_environment(password: str, code: int) -> None:
    done = subprocess.run(
        [ROOT / DEPLOY["env"]["ANSIBLE_VAULT_PASSWORD_FILE"]],
        env={**os.environ, "VAULT_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, f"{password}\n" if password else "")
    assert ("VAULT_PASSWORD is not set" in done.stderr) == (not password)
