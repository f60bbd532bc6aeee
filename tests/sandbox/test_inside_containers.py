"""The grader itself inside a container such as Gradescope's: root, the engine's default profile, no
namespaces, no cgroups to write, no engine within; half a processor and 768 MB.

The container is a real one; this machine's libraries are bound into it, read-only.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.sandbox import image
from grader.sandbox.choose import docker_available
from grader.sandbox.docker import connect

AVAILABLE, WHY = docker_available()
pytestmark = [
    pytest.mark.skipif(not AVAILABLE, reason=f"no container engine: {WHY}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may bind its libraries"),
]
PROJECT = Path(__file__).resolve().parents[2]
NO_LANDLOCK = (
    '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["landlock_create_ruleset", "unshare", '
    '"setns", "mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}'
)

GRADE = """
import json, os, sys
sys.path[:0] = {path}
os.environ["GRADE_CACHE"] = "/tmp/banks"
from pathlib import Path
from grader.model import Assignment, Limits, Submission, Task
from grader.box import wire
from grader.sandbox import level
from grader.sandbox.choose import Wanted, choose
from grader.sandbox.session import Session
os.makedirs("/tmp/course", exist_ok=True)
Path("/tmp/course/answers").write_text("the answers")
os.chmod("/tmp/course/answers", 0o644)
os.chmod("/tmp/course", {mode})
box = choose("auto", None, Wanted(secrets=["/tmp/course/answers"]))
code = b'''
import os
def reads(x):
    found = []
    for path in ("/tmp/course", "/tmp/course/answers", "/proc/1/environ"):
        try:
            os.listdir(path) if os.path.isdir(path) else open(path, "rb").read()
            found.append(path)
        except OSError:
            pass
    return found
def who(x): return os.getuid()
def child(x):
    try: child = os.fork()
    except OSError as error: return error.strerror
    if not child: os._exit(0)
    return child
'''
assignment = Assignment("m", "M", "functions", ("work",), (Task("1", "T", 1.0),), (),
    'def ask(subject, path):\\n    "x"\\n    return subject.call(path, 1.0)\\n', Limits())
found = {{}}
with Session(box, assignment, Submission("s", "s", {{"work.py": code}}, "0" * 64)) as session:
    for path in ("reads", "who", "child"):
        reply = session.ask("ask", {{"path": path}}, [wire.encode({{}})], seconds=5)
        found[path] = wire.decode(reply.answers[0])
walls = box.walls()
found |= {{"box": box.name, "level": level(walls), "up": [w.name for w in walls if w.up]}}
box.close()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    found = connect()
    yield found
    found.close()


def graded_in(
    client: Any, *, security: list[str] | None = None, mode: str = "0o700"
) -> dict[str, Any]:
    """What a grader finds that runs in such a container. mode: of the folder that the answers lie in."""
    names = image.wanted(())
    name = image.tag(names)
    if name not in {stored for stored, _, _ in image.stored(client)}:
        image.build(client, names)
    packages = [path for path in sys.path if path.endswith("-packages")]
    code = GRADE.format(path=[str(PROJECT), *packages], mode=mode)
    bound = {
        os.path.realpath(sys.base_prefix),
        os.path.dirname(os.path.realpath(sys.executable)),
        str(PROJECT),
        sys.prefix,
        *packages,
        *(p for p in ("/usr", "/lib", "/lib64", "/bin") if os.path.isdir(p)),
    }
    output = client.containers.run(
        name,
        ["-B", "-c", code],
        entrypoint=sys.executable,
        user="0:0",
        network_mode="none",
        mem_limit="768m",
        nano_cpus=500_000_000,
        security_opt=security or [],
        environment={"PYTHONHOME": "", "LD_LIBRARY_PATH": "", "PATH": "/usr/bin:/bin"},
        volumes={path: {"bind": path, "mode": "ro"} for path in bound},
        tmpfs={"/tmp": "mode=1777"},
        remove=True,
    )
    found: dict[str, Any] = json.loads(output)
    return found


def test_root_in_an_unprivileged_container_has_a_contained_jail(client: Any) -> None:
    found = graded_in(client)
    assert found["box"] == "jail"
    assert found["level"] == "contained"
    assert {"other uid", "landlock", "seccomp", "rlimits", "no new privileges"} <= set(found["up"])
    assert not {"user ns", "pid ns", "mount ns", "network ns"} & set(found["up"])
    assert found["who"] != 0
    assert found["child"] == "Operation not permitted"
    assert found["reads"] == []


def test_without_landlock_there_is_the_other_uid_and_that_is_what_is_said(client: Any) -> None:
    found = graded_in(client, security=[f"seccomp={NO_LANDLOCK}"])
    assert found["box"] == "jail"
    assert found["level"] == "files"
    assert "landlock" not in found["up"]
    assert "other uid" in found["up"]
    assert found["reads"] == []


def test_where_a_worker_could_read_the_answers_there_is_no_jail(client: Any) -> None:
    found = graded_in(client, security=[f"seccomp={NO_LANDLOCK}"], mode="0o755")
    assert (found["box"], found["level"]) == ("process", "none")
    # With landlock the same folder is out of reach.
    found = graded_in(client, mode="0o755")
    assert (found["box"], found["level"]) == ("jail", "contained")
    assert "course out of reach" in found["up"]
    assert found["reads"] == []
