"""`run_autograder` in a real container such as Gradescope's: see `gradescope.container`.

One short case is always asked; `make test-all` asks the rest.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn import PROJECT, Banks
from hostile.attack import Attack
from hostile.attacks import GROUPS
from hostile.conftest import two_functions

from grader.course import load_course
from grader.platforms import gradescope
from grader.sandbox.choose import docker_available
from grader.sandbox.docker import connect
from gradescope import container
from gradescope.test_gradescope import (
    HIDDEN,
    MARKER,
    RIGHT,
    SEARCH,
    WITH_MARKER,
    bomb,
    faults,
    outcomes,
    zip_of,
)

AVAILABLE, WHY = docker_available()
pytestmark = [
    pytest.mark.skipif(not AVAILABLE, reason=f"no container engine: {WHY}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may bind its libraries"),
]
thorough = pytest.mark.thorough
Handed = Callable[..., tuple[dict[str, Any], container.Ran]]


@pytest.fixture(scope="module")
def handed() -> Iterator[Handed]:
    """Runs a zip on files; what it leaves has the form that Gradescope asks for, and the container has held."""
    client = connect(120)

    def run(
        archive: bytes, files: dict[str, bytes], **more: Any
    ) -> tuple[dict[str, Any], container.Ran]:
        ran = container.run(client, archive, files, **more)
        assert ran.code == 0, ran.output
        sent = json.loads(ran.results)
        assert not faults(sent)
        return sent, ran

    yield run
    client.close()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.py")
        if "tests" not in path.parts
    }


# The modules of the course


@pytest.fixture(scope="module")
def archives(banks: Banks) -> Callable[[str], bytes]:
    def archive(name: str) -> bytes:
        settings = gradescope.Settings(module=name)
        return gradescope.archive(banks.course, banks.module(name), settings)

    return archive


def test_right_work_has_full_marks_in_the_strongest_box_of_such_a_container(
    handed: Handed, archives: Callable[[str], bytes]
) -> None:
    sent, ran = handed(archives("warmup"), files_of(PROJECT / "reference"))
    assert sent["score"] == sent["extra_data"]["max_score"] == 100
    assert (sent["extra_data"]["sandbox"], sent["extra_data"]["protects"]) == ("jail", True)
    assert not ran.output  # what is printed is shown to instructors, and nothing went wrong


@thorough
@pytest.mark.parametrize(
    ("folder", "least", "most"),
    [("reference", 100, 100), ("examples/three_bugs", 50, 99), ("examples/half_finished", 1, 80)],
)
def test_module_2_is_graded_in_half_a_processor_and_768_mb(
    handed: Handed, archives: Callable[[str], bytes], folder: str, least: float, most: float
) -> None:
    sent, ran = handed(archives("module2"), files_of(PROJECT / folder))
    assert least <= sent["score"] <= most
    assert sent["extra_data"]["complete"] is True
    assert sent["extra_data"]["held"] is False
    assert not ran.killed


@thorough
@pytest.mark.parametrize("edit", ["a bug", "a blank"])
def test_a_warm_up_that_is_not_right_loses_its_own_checks(
    handed: Handed, archives: Callable[[str], bytes], edit: str
) -> None:
    folder = "student_template" if edit == "a blank" else "reference"
    text = (PROJECT / folder / "warmup.py").read_text()
    if edit == "a bug":
        assert "math.cos(" in text
        text = text.replace("math.cos(", "math.sin(")
    sent, _ = handed(archives("warmup"), {"warmup.py": text.encode()})
    assert 0 <= sent["score"] < 100
    wrong = {name for name, outcome in outcomes(sent).items() if outcome != "passed"}
    assert all("Sin" in name for name in wrong) if edit == "a bug" else wrong


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned packages as pip finds them here, for the container has no network."""
    folder = tmp_path_factory.mktemp("wheels")
    (folder / "requirements.txt").write_text(gradescope.requirements())
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]
    ran = subprocess.run(
        [*pip, "-r", folder / "requirements.txt", "-d", folder], capture_output=True, text=True
    )
    if ran.returncode:
        pytest.skip(f"the pinned packages cannot be had here: {ran.stderr[-300:]}")
    return folder


@thorough
def test_setup_sh_installs_what_the_run_needs(
    handed: Handed, archives: Callable[[str], bytes], wheels: Path
) -> None:
    found = subprocess.run(["/usr/bin/python3.11", "-c", "import ensurepip"], capture_output=True)
    if found.returncode:
        pytest.skip("this machine's own Python is not one that setup.sh takes without a network")
    sent, ran = handed(archives("warmup"), files_of(PROJECT / "reference"), wheels=wheels)
    assert "Successfully installed backcheck" in ran.output
    assert sent["score"] == 100
    assert sent["extra_data"]["sandbox"] == "jail"


# Uploads and times


@thorough
@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "empty"),
        ({"essay.txt": b"On sums"}, "essay.txt"),
        ({"work.zip": bomb()}, "MiB"),
        ({"work.zip": b"PK no zip"}, "no zip file"),
        ({"work.py": b"def double(x:\n"}, ""),
        ({"work.py": b"\xff\xfe\x00"}, ""),
        ({"work.ipynb": b'{"nbformat": 4, "cells": [%s]}' % (b"{}," * (20 << 20))[:-1]}, "values"),
    ],
    ids=[
        "nothing",
        "something else",
        "a bomb",
        "a broken zip",
        "no syntax",
        "no text",
        "a notebook of nothing",
    ],
)
def test_what_cannot_be_graded_has_no_points_and_says_why(
    handed: Handed, tmp_path: Path, files: dict[str, bytes], says: str
) -> None:
    sent, _ = handed(zip_of(tmp_path), files)
    assert sent["score"] == 0
    assert says in sent["output"]


@thorough
def test_when_the_time_strikes_what_is_known_counts(handed: Handed, tmp_path: Path) -> None:
    endless = RIGHT.replace("return x * x", "while True: pass")
    sent, ran = handed(zip_of(tmp_path, minutes=0.14), {"work.py": endless.encode()})
    assert sent["output"].startswith("Grading had to end")
    assert outcomes(sent)["double gives the right number"] == "passed"
    assert sent["score"] == pytest.approx(2)
    assert ran.seconds < 0.7 * 60


# Attacks

GIVES = "def double(x):\n    return 2.0 * x\n"
FORGED = '{"score": 4000, "output": "forged", "tests": []}'
EVIL = {
    "writes results": f"""
        for path in ("/autograder/results/results.json", "results/results.json", "results.json",
                     "/autograder/results/stdout", "/autograder/submission_metadata.json"):
            try:
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                open(path, "w").write({FORGED!r})
            except OSError: pass
            try: os.replace("results.json", path)
            except OSError: pass
            """,
    "replaces the program": """
        for folder in ("/autograder", "/autograder/source", sys.prefix, os.path.dirname(os.__file__), "/tmp"):
            for path in (folder, *[os.path.join(folder, n) for n in ("run_autograder", "source", "results",
                         "sitecustomize.py", "bin/python", "json/__init__.py")]):
                for act in (lambda: os.rename(path, path + "x"), lambda: open(path, "a").write("raise SystemExit"),
                            lambda: os.chmod(path, 0o777), lambda: os.remove(path)):
                    try: act()
                    except OSError: pass
            """,
    "fills the memory": "kept = [bytearray(b'x' * (32 << 20)) for _ in range(128)]",
    "fills the memory by many": """
        for _ in range(8):
            try: os.fork()
            except OSError: pass
        kept = [bytearray(b'x' * (32 << 20)) for _ in range(128)]""",
    "fills the disk": """
        for folder in (".", "/tmp", "/var/tmp", "/dev/shm", "/autograder", "/autograder/results", "/run"):
            for number in range(200):
                try:
                    with open(f"{folder}/litter{number}", "wb") as file: file.write(b"x" * (8 << 20))
                except OSError: break
            """,
    "says more than can be kept": "for _ in range(4096): os.write(1, b'x' * 65536); os.write(2, b'x' * 65536)",
    "ends every process": """
        for number in [-1, *[int(n) for n in os.listdir("/proc") if n.isdigit()]]:
            for which in (signal.SIGALRM, signal.SIGTERM, signal.SIGKILL):
                if number != os.getpid():
                    try: os.kill(number, which)
                    except OSError: pass
            """,
}


@thorough
@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("where", ["when called", "when imported"])
def test_nothing_is_gained_and_all_else_is_graded(
    handed: Handed, tmp_path: Path, name: str, where: str
) -> None:
    indented = textwrap.indent(textwrap.dedent(EVIL[name]).strip(), "    ")
    body = f"import os, signal, sys\n\n\ndef evil():\n{indented}\n"
    if where == "when called":
        right = RIGHT.replace(GIVES, "def double(x):\n    evil()\n    return 0.5\n")
        assert right != RIGHT
        code = f"{body}\n\n{right}"
    else:
        code = f"{body}\n\nevil()\n{RIGHT}"
    sent, ran = handed(zip_of(tmp_path), {"work.py": code.encode()})
    found = outcomes(sent)
    if where == "when called":
        assert found.pop("double gives the right number") != "passed"
        assert set(found.values()) == {"passed"}
        assert sent["score"] == pytest.approx(38)
    else:
        # It may have cost its own file, and nothing more can have come of it.
        assert sent["score"] in (0, 40)
    assert sent["extra_data"]["held"] is False
    assert "forged" not in ran.results.decode()
    assert not ran.killed
    assert ran.peak < container.MEMORY * 0.9


@thorough
def test_where_the_container_has_no_more_memory_the_submission_ends_and_not_the_grader(
    handed: Handed, tmp_path: Path
) -> None:
    filling = f"def double(x):\n    {EVIL['fills the memory']}\n    return 0.5\n"
    archive = zip_of(tmp_path, limits="check_seconds: 15\n  memory_mb: 2048")
    sent, ran = handed(archive, {"work.py": RIGHT.replace(GIVES, filling).encode()})
    found = outcomes(sent)
    assert ran.killed
    assert found.pop("double gives the right number") == "crashed"
    assert set(found.values()) == {"passed"}
    assert sent["score"] == pytest.approx(38)


@thorough
def test_a_disk_that_is_filled_costs_no_results(handed: Handed, tmp_path: Path) -> None:
    filling = textwrap.indent(textwrap.dedent(EVIL["fills the disk"]).strip(), "    ")
    code = f"import os\n\n\ndef double(x):\n{filling}\n    raise OSError(str(os.statvfs('.').f_bavail) + ' left')\n"
    sent, _ = handed(zip_of(tmp_path), {"work.py": RIGHT.replace(GIVES, code).encode()}, disk=48)
    assert "OSError: 0 left" in str(sent["tests"])
    found = outcomes(sent)
    assert found.pop("double gives the right number") == "raised"
    assert set(found.values()) == {"passed"}
    assert sent["score"] == pytest.approx(38)


@thorough
def test_what_is_expected_is_not_found(handed: Handed, tmp_path: Path) -> None:
    names = f'MARKER = ("{MARKER[:7]}" + "{MARKER[7:]}").encode()\nPART = MARKER.decode()\n'
    searching = RIGHT.replace(GIVES, "")
    code = f'ROOT = "/autograder"\n{names}{SEARCH}\n{searching}'
    sent, ran = handed(zip_of(tmp_path, HIDDEN, WITH_MARKER), {"work.py": code.encode()})
    seen = [sent["output"], *(t["output"] for t in sent["tests"] if t["visibility"] == "visible")]
    assert any("found nothing" in text for text in seen)
    assert MARKER not in "".join(seen) + ran.output


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The smallest course, with a canary in its answer key."""
    root = tmp_path_factory.mktemp("attacked") / "course"
    two_functions(root)
    module = Banks(load_course(root)).module("two_functions")
    return gradescope.archive(
        load_course(root), module, gradescope.Settings(module="two_functions")
    )


NAMED = {
    f"{group}/{attack.name}": attack
    for group in ("steals", "endings", "forged", "hangs", "state")
    for attack in GROUPS[group]
    if attack.course == "two_functions"
}


@thorough
@pytest.mark.parametrize("attack", NAMED.values(), ids=NAMED)
def test_an_attack_gains_nothing_there_either(
    handed: Handed, attacked: bytes, attack: Attack
) -> None:
    files = {
        name: text.replace("@HOUSE@", "/autograder/source").encode()
        for name, text in attack.files.items()
    }
    sent, ran = handed(attacked, files)
    for test in sent.get("tests", []):
        key = f"{test['extra_data']['task']}/{test['name']}"
        outcome = test["extra_data"]["outcome"]
        if any(fnmatch.fnmatchcase(key, pattern) for pattern in attack.spoils):
            # The course's times are short ones, and half a processor is half as fast.
            assert outcome in attack.ends | {"blocked", "timed_out"}, key
        else:
            assert outcome == "passed", (key, test["output"])
    assert "tests" in sent or "intake" in attack.ends
    assert not {"CANARY", "LEAK"} & set(ran.results.decode().replace(":", " ").split())
    assert not ran.killed
