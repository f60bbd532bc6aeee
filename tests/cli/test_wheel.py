"""The wheel, installed into an empty environment, grades a pack: nothing of the repository is needed there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command that finds no package but its own environment's."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_students_install_holds_no_answer_key() -> None:
    builder = pytest.importorskip("hatchling.builders.sdist").SdistBuilder(str(ROOT))
    found = {file.distribution_path for file in builder.recurse_included_files()}
    assert {path.split("/")[0] for path in found} == {
        "CHANGELOG.md", "LICENSE", "README.md", "docs", "grader",
    }  # fmt: skip
    assert "grader/py.typed" in found  # authors' checks are typed against it


@pytest.mark.thorough
def test_the_wheel_grades_a_pack_in_an_empty_environment(tmp_path: Path) -> None:
    built = run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT,
        folder=tmp_path,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("backcheck-*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    installed = run(programs / "python", "-m", "pip", "install", "-q", wheel, folder=tmp_path)
    if installed.returncode and "No matching distribution found" in installed.stderr:
        pytest.skip("no index with what the wheel needs is in reach")
    assert installed.returncode == 0, installed.stderr

    grade = programs / "grade"
    work = tmp_path / "work"
    (work / "packs").mkdir(parents=True)
    (work / "grader.yaml").write_text("course: autodiff\nmodules: [warmup]\n")
    (work / "warmup.py").write_bytes((ROOT / "reference" / "warmup.py").read_bytes())
    pack = work / "packs" / "warmup.pack"
    packed = run(
        grade, "pack", "warmup", "--for", "grader", "--output", pack, "--course", ROOT, folder=work
    )
    assert packed.returncode == 0, packed.stderr
    graded = run(grade, "warmup", "--quiet", "--sandbox", "process", folder=work)
    assert (graded.stdout.strip(), graded.returncode) == ("warmup 100/100", 0), graded.stderr
