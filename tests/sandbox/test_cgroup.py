"""The jail's cgroups: for real where this machine lets us make one, and against hierarchies on paper for both
versions of the interface."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_jail import GRADER, MODES, PROJECT, ask, gone, value

from grader.model import Limits, Wall
from grader.sandbox import OUT_OF_MEMORY, cgroup
from grader.sandbox.jail import SCRATCH_MB, Jail

MIB = 1 << 20


def why_not() -> str:
    """Why no cgroup can be made here; "" when one can."""
    if not Jail.available()[0]:
        return Jail.available()[1]
    try:
        cgroup.Group(cgroup.find(), memory=64 * MIB, processes=8).remove()
    except OSError as error:
        return f"no cgroup can be made here: {error.strerror or error}"
    return ""


real = pytest.mark.skipif(bool(why_not()), reason=why_not())


def left() -> list[str]:
    """The groups that there are now, of any grader."""
    place = cgroup.find()
    names = {
        name
        for folder in place.folders.values()
        for name in os.listdir(folder)
        if name.startswith(cgroup.PREFIX)
    }
    return sorted(names)


def ours() -> list[str]:
    return [name for name in left() if name.startswith(cgroup.own_name())]


def wall(jail: Jail) -> Wall:
    return next(w for w in jail.walls() if w.name == "cgroup")


# --- for real ------------------------------------------------------------------------------------------


@real
@pytest.mark.parametrize("mode", MODES)
def test_a_worker_is_in_a_group_of_its_own_before_it_is_sent_anything(
    mode: str, stand_in: str
) -> None:
    with Jail(worker=stand_in, without=MODES[mode]) as jail:
        one, other = (jail.start(Limits(memory_mb=200)) for _ in range(2))
        up = wall(jail)
        assert up.up, up
        groups = []
        for process in (one, other):
            own = Path(f"/proc/{process._pid}/cgroup").read_text()
            groups.append(own[own.index(cgroup.PREFIX) :].split()[0])
            assert groups[-1] in ours()
        assert groups[0] != groups[1]
        assert jail._zygote is not None
        rest = jail._zygote.mapped
        wanted = rest + (200 + SCRATCH_MB * jail._zygote.scratch_inside) * MIB
        assert f"{wanted / MIB:.0f} MiB" in up.detail


@real
def test_what_holds_too_much_is_killed_for_memory_and_told_so(stand_in: str) -> None:
    with Jail(worker=stand_in, without={"rlimits"}) as jail:
        process = jail.start(Limits(memory_mb=64))
        assert value(process, "result = len(b'x' * (32 << 20))") == 32 << 20
        assert ask(process, "b'x' * (1 << 30)") is None
        assert process.ending() == OUT_OF_MEMORY
        process.kill()
        assert process.ending() == OUT_OF_MEMORY
        assert value(jail.start(Limits(memory_mb=64)), "result = 1") == 1


@real
def test_what_has_its_memory_and_is_killed_otherwise_is_told_otherwise(stand_in: str) -> None:
    with Jail(worker=stand_in) as jail:
        process = jail.start(Limits())
        assert ask(process, "while True: pass", seconds=0.2) is None
        process.kill()
        assert process.ending() == "killed by SIGKILL"


@real
def test_the_scratch_in_memory_counts_and_all_that_is_allowed_fits(stand_in: str) -> None:
    """A worker may use all of its memory and fill its scratch; it may not hide memory in its scratch."""
    fill = """
    hoard = bytearray(0)
    hoard = b"x" * (90 << 20)
    with open("large", "wb") as file:
        for _ in range(60): file.write(bytes(1 << 20))
    result = len(hoard)
    """
    with Jail(worker=stand_in) as jail:
        assert value(jail.start(Limits(memory_mb=100)), fill) == 90 << 20


@real
def test_threads_are_counted_by_the_group_too(stand_in: str) -> None:
    code = """
    import threading
    stop, made = threading.Event(), 0
    threading.stack_size(1 << 16)
    try:
        while made < 400:
            threading.Thread(target=stop.wait, daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    stop.set()
    result = made
    """
    with Jail(worker=stand_in, without={"rlimits"}) as jail:
        assert 200 < value(jail.start(Limits()), code) < 256
    with Jail(worker=stand_in, without={"rlimits", "cgroup"}) as jail:
        assert value(jail.start(Limits()), code) == 400


@real
def test_no_group_is_left_behind(stand_in: str) -> None:
    before = ours()
    with Jail(worker=stand_in, spares=1) as jail:
        processes = [jail.start(Limits()) for _ in range(3)]
        assert len(ours()) == len(before) + 4
        processes[0].kill()
        assert ask(processes[1], "import os; os._exit(0)") is None
        processes[1].kill()
        assert len(ours()) == len(before) + 2
    assert ours() == before


@real
def test_no_group_is_left_where_a_worker_has_bred(stand_in: str) -> None:
    code = """
    import os, time
    for _ in range(5):
        if not os.fork():
            os.setsid()
            os.fork()
            time.sleep(600)
    result = True
    """
    before = ours()
    for mode in ("d3", "d1"):
        with Jail(worker=stand_in, without=MODES[mode] | {"seccomp"}) as jail:
            process = jail.start(Limits())
            assert value(process, code)
            process.kill()
            assert ours() == before


@real
def test_what_a_killed_grader_left_is_removed_by_the_next(stand_in: str) -> None:
    code = GRADER.format(project=str(PROJECT), worker=stand_in, without=set(), first=False)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline().startswith(b"up")
        its = [name for name in left() if f"-{process.pid}-" in name]
        assert len(its) == 2
        with Jail(worker=stand_in) as jail:
            jail.start(Limits())
            assert set(its) <= set(left())  # it lives
        inside = {
            int(pid)
            for name in its
            for folder in cgroup.find().folders.values()
            for pid in (folder / name / "cgroup.procs").read_text().split()
        }
        assert len(inside) == 2
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert gone(inside)
    assert set(its) <= set(left())
    with Jail(worker=stand_in) as jail:
        jail.start(Limits())
        assert not set(its) & set(left())


@real
def test_a_worker_that_did_not_go_in_is_put_in(
    stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup.Group, "doors", lambda group: [])
    with Jail(worker=stand_in) as jail:
        process = jail.start(Limits())
        assert wall(jail).up
        assert cgroup.own_name() in Path(f"/proc/{process._pid}/cgroup").read_text()


def refuse(number: int) -> Callable[..., Any]:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


@real
@pytest.mark.parametrize(
    ("name", "stand_ins", "said"),
    [
        ("find", {"find": refuse(errno.ENOENT)}, "No such file"),
        ("make", {"_make": refuse(errno.EROFS)}, "Read-only file system"),
        ("outside", {"Group.doors": lambda group: [], "Group.admit": lambda group, pid: None}, "the worker is not in it"),
        ("refused", {"Group.doors": lambda group: [], "Group.admit": refuse(errno.EACCES)}, "Permission denied"),
        ("no limit", {"Group._limit": lambda group: None}, "the kernel says"),
    ],
)  # fmt: skip
def test_a_group_that_does_not_bind_is_no_wall(
    name: str, stand_ins: dict[str, Any], said: str, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ours()
    for path, action in stand_ins.items():
        *owner, last = path.split(".")
        monkeypatch.setattr(getattr(cgroup, owner[0]) if owner else cgroup, last, action)
    with Jail(worker=stand_in) as jail:
        process = jail.start(Limits())
        found = wall(jail)
        assert not found.up
        assert said in found.detail
        assert value(process, "result = 1") == 1
    monkeypatch.undo()
    assert ours() == before


# --- on paper ------------------------------------------------------------------------------------------

LINE = "{n} 1 0:{n} {root} {target} rw,nosuid - {kind} cgroup rw{options}\n"
FILES = {
    1: ["tasks", "cgroup.procs", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control",
        "pids.max"],
    2: ["cgroup.procs", "cgroup.subtree_control", "memory.max", "memory.swap.max", "memory.oom.group",
        "memory.events", "pids.max"],
}  # fmt: skip


class Paper:
    """A cgroup file system on disk, and a /proc/self that tells of it. Made and removed as the kernel would."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.proc = folder / "proc"
        self.proc.mkdir()
        self.mounts: list[str] = []
        self.version = 1
        self.refusals: dict[str, int] = {}
        monkeypatch.setattr(cgroup, "_make", self.make)
        monkeypatch.setattr(cgroup, "_remove", self.remove)
        monkeypatch.setattr(cgroup, "_write", self.write)

    def mount(self, name: str, kind: str, options: str = "", root: str = "/") -> Path:
        target = self.folder / name
        target.mkdir(exist_ok=True)
        shown = str(target).replace(" ", "\\040")
        line = LINE.format(
            n=len(self.mounts) + 30, root=root, target=shown, kind=kind, options=options
        )
        self.mounts.append(line)
        (self.proc / "mountinfo").write_text("25 1 0:5 / /proc rw - proc proc rw\n" + "".join(self.mounts))  # fmt: skip
        return target

    def own(self, *lines: str) -> None:
        (self.proc / "cgroup").write_text("".join(f"{line}\n" for line in lines))

    def make(self, folder: Path) -> None:
        self.refuse(folder)
        folder.mkdir()
        for name in FILES[self.version]:
            (folder / name).write_text("max" if name.endswith("max") else "")

    def remove(self, folder: Path) -> None:
        if (folder / "cgroup.procs").read_text():
            raise OSError(errno.EBUSY, "busy")
        shutil.rmtree(folder)

    def write(self, path: Path, text: str) -> None:
        self.refuse(path)
        if path.name == "cgroup.subtree_control":
            busy = (path.parent / "cgroup.procs").read_text()
            if busy and text.startswith("+"):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            text = text.replace("+", "") if text.startswith("+") else ""
            path.write_text(text)
            return
        if path.name == "cgroup.procs":
            for other in self.folder.rglob("cgroup.procs"):
                other.write_text(other.read_text().replace(text, "").strip())
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        path.write_text(text)

    def refuse(self, path: Path) -> None:
        if number := self.refusals.get(path.name) or self.refusals.get("*"):
            raise OSError(number, os.strerror(number))


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    folder = tmp_path / "a place"  # mountinfo escapes the space
    folder.mkdir()
    return Paper(folder, monkeypatch)


def test_version_1_has_a_folder_for_each_controller(paper: Paper) -> None:
    memory = paper.mount("memory", "cgroup", ",memory")
    pids = paper.mount("pids", "cgroup", ",pids")
    paper.mount("unified", "cgroup2")
    paper.own("9:memory:/user/one", "8:pids:/", "1:cpu:/x", "0::/elsewhere")
    (memory / "user" / "one").mkdir(parents=True)
    place = cgroup.find(paper.proc)
    assert place == cgroup.Place(1, {"memory": memory / "user" / "one", "pids": pids})
    group = cgroup.Group(place, memory=300 * MIB, processes=9)
    folder = memory / "user" / "one" / group.name
    assert (folder / "memory.limit_in_bytes").read_text() == str(300 * MIB)
    assert (folder / "memory.memsw.limit_in_bytes").read_text() == str(300 * MIB)
    assert (pids / group.name / "pids.max").read_text() == "9"
    assert group.look() == "version 1: 300 MiB with swap, 9 threads"
    for door in group.doors():
        os.write(door, b"0")
        os.close(door)
    assert [(f / group.name / "tasks").read_text() for f in place.folders.values()] == ["0", "0"]
    assert not group.ran_out()
    (folder / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert group.ran_out()
    assert group.remove()
    assert group.remove()
    assert not folder.exists()
    assert not (pids / group.name).exists()


def test_version_1_with_both_controllers_in_one_hierarchy_and_no_swap(paper: Paper) -> None:
    both = paper.mount("both", "cgroup", ",pids,memory", root="/docker/abc")
    paper.own("4:memory,pids:/docker/abc")
    place = cgroup.find(paper.proc)
    assert place == cgroup.Place(1, {"memory": both, "pids": both})
    FILES[1].remove("memory.memsw.limit_in_bytes")
    try:
        group = cgroup.Group(place, memory=300 * MIB, processes=9)
    finally:
        FILES[1].append("memory.memsw.limit_in_bytes")
    assert group.look() == "version 1: 300 MiB, swap not counted, 9 threads"
    doors = group.doors()
    assert len(doors) == 1
    os.close(doors[0])
    assert group.remove()


def second(paper: Paper, own: str, procs: dict[str, str], controlled: list[str]) -> Path:
    paper.version = 2
    root = paper.mount("unified", "cgroup2", ",nsdelegate")
    paper.own(f"0::{own}")
    for path in dict.fromkeys(["/", *procs, *controlled]):
        folder = root / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text(procs.get(path, ""))
        (folder / "cgroup.subtree_control").write_text(
            "cpu memory pids" if path in controlled else ""
        )
    return root


def test_version_2_beneath_our_own_group_where_it_has_controlled_children(paper: Paper) -> None:
    root = second(paper, "/", {}, ["/"])
    place = cgroup.find(paper.proc)
    assert place == cgroup.Place(2, {"memory": root, "pids": root})
    group = cgroup.Group(place, memory=300 * MIB, processes=9)
    folder = root / group.name
    found = {n: (folder / n).read_text() for n in FILES[2]}
    assert (found["memory.max"], found["memory.swap.max"]) == (str(300 * MIB), "0")
    assert (found["pids.max"], found["memory.oom.group"]) == ("9", "1")
    assert group.look() == "version 2: 300 MiB with swap, 9 threads"
    assert not group.holds(77, paper.folder)
    (paper.folder / "77").mkdir()
    (paper.folder / "77" / "cgroup").write_text(f"0::/{group.name}\n")
    assert group.holds(77, paper.folder)
    (paper.folder / "77" / "cgroup").write_text(f"0::/{group.name}1\n")
    assert not group.holds(77, paper.folder)
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 0\noom_group_kill 0\n")
    assert not group.ran_out()
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 2\noom_group_kill 0\n")
    assert group.ran_out()
    group.admit(77)
    assert not group.remove()
    (folder / "cgroup.procs").write_text("")
    assert group.remove()


def test_version_2_beside_our_own_group_where_others_share_it(paper: Paper) -> None:
    """As a session of a user under systemd: processes in a scope, its slice controls its children."""
    root = second(paper, "/app.slice/x.scope", {"/app.slice/x.scope": "1\n2\n"}, ["/app.slice"])
    assert cgroup.find(paper.proc).folders["memory"] == root / "app.slice"


def test_version_2_in_a_subtree_that_was_delegated_to_us_alone(paper: Paper) -> None:
    """As `systemd-run --scope -p Delegate=yes`: to have controlled children it may hold no process."""
    own = "/system.slice/run.scope"
    root = second(paper, own, {own: str(os.getpid())}, [])
    scope = root / own.lstrip("/")
    place = cgroup.find(paper.proc)
    leaf = scope / f"{cgroup.own_name()}-grader"
    assert place.folders["memory"] == scope
    assert (leaf / "cgroup.procs").read_text() == str(os.getpid())
    assert (scope / "cgroup.procs").read_text() == ""
    paper.own(f"0::{own}/{leaf.name}")
    assert cgroup.find(paper.proc).folders["memory"] == scope  # the second jail of this grader
    group = cgroup.Group(place, memory=300 * MIB, processes=9)
    cgroup.restore(paper.proc)
    assert leaf.exists()  # as long as there is a group
    assert group.remove()
    cgroup.restore(paper.proc)
    assert not leaf.exists()
    assert (scope / "cgroup.procs").read_text() == str(os.getpid())


@pytest.mark.parametrize(
    ("refusals", "procs", "said"),
    [
        ({}, "1\n2\n", "other processes share our group"),
        ({"cgroup.subtree_control": errno.EROFS}, "1\n", "Read-only file system"),
        ({"cgroup.subtree_control": errno.EACCES}, "1\n", "Permission denied"),
    ],
)
def test_version_2_says_why_there_is_none(
    paper: Paper, refusals: dict[str, int], procs: str, said: str
) -> None:
    second(paper, "/x.slice/y.scope", {"/x.slice/y.scope": procs}, [])
    paper.refusals = refusals
    with pytest.raises(OSError, match=said):
        cgroup.find(paper.proc)


def test_where_there_is_no_hierarchy_that_is_said(paper: Paper) -> None:
    with pytest.raises(OSError, match="no cgroups"):
        cgroup.find(paper.folder / "none")
    paper.mount("cpu", "cgroup", ",cpu")
    paper.own("3:cpu:/")
    with pytest.raises(OSError, match="memory controller"):
        cgroup.find(paper.proc)
    paper.mount("memory", "cgroup", ",memory", root="/docker/abc")
    paper.own("3:cpu:/", "4:memory:/docker/other")
    with pytest.raises(OSError, match="does not show our own group"):
        cgroup.find(paper.proc)


def test_a_group_that_cannot_be_limited_is_not_left(paper: Paper) -> None:
    memory = paper.mount("memory", "cgroup", ",memory")
    paper.own("4:memory:/")
    paper.refusals = {"memory.limit_in_bytes": errno.EINVAL}
    with pytest.raises(OSError, match="Invalid"):
        cgroup.Group(cgroup.find(paper.proc), memory=MIB, processes=9)
    assert list(memory.iterdir()) == []


def test_only_groups_of_graders_that_are_gone_are_removed(paper: Paper) -> None:
    memory = paper.mount("memory", "cgroup", ",memory")
    paper.own("4:memory:/")
    place = cgroup.find(paper.proc)
    sleeper = subprocess.Popen(["sleep", "600"])
    try:
        own, its = cgroup.own_name(), cgroup.owner(sleeper.pid)
        namespace, pid, born = its.removeprefix("backcheck-").split("-")
        names = {
            f"{own}-0": False,  # ours
            f"{its}-3": False,  # of a grader that lives
            f"backcheck-{namespace}-{pid}-{int(born) - 1}-3": True,  # its number was another's before
            f"backcheck-{namespace}-4194305-55-0": True,  # no such process can be
            f"backcheck-{namespace}-4194305-55-grader": True,
            f"backcheck-{int(namespace) + 1}-4194305-55-0": False,  # of another process namespace
            "backcheck-something-else": False,
            "docker": False,
        }
        for name in names:
            paper.make(memory / name)
        busy = f"backcheck-{namespace}-4194305-56-0"
        paper.make(memory / busy)
        (memory / busy / "cgroup.procs").write_text("1234")
        assert sorted(cgroup.reap(place)) == sorted(n for n, stale in names.items() if stale)
        there = {folder.name for folder in memory.iterdir()}
        assert there == {busy, *(name for name, stale in names.items() if not stale)}
    finally:
        sleeper.kill()
        sleeper.wait()


def test_the_groups_that_a_process_is_in_say_how_much_memory_is_left(paper: Paper) -> None:
    assert cgroup.room(paper.proc / "nowhere") is None
    first = paper.mount("memory", "cgroup", ",memory")
    paper.own("9:memory:/queue/job", "0::/slice/own")
    inner = first / "queue" / "job"
    inner.mkdir(parents=True)
    told = {"limit_in_bytes": 2**63 - 4096, "usage_in_bytes": 5 * MIB}
    for name, number in told.items():
        (inner / f"memory.{name}").write_text(str(number))
    assert cgroup.room(paper.proc) is None
    for name, number in {"limit_in_bytes": 900 * MIB, "usage_in_bytes": 500 * MIB}.items():
        (inner.parent / f"memory.{name}").write_text(str(number))
    stat = f"inactive_file 1\ntotal_inactive_file {100 * MIB}\n"
    (inner.parent / "memory.stat").write_text(stat)
    assert cgroup.room(paper.proc) == 500 * MIB
    second = paper.mount("unified", "cgroup2")
    (second / "slice" / "own").mkdir(parents=True)
    for name, text in {"max": str(300 * MIB), "current": str(310 * MIB), "stat": ""}.items():
        (second / "slice" / f"memory.{name}").write_text(text)
    (second / "slice" / "own" / "memory.max").write_text("max\n")
    (second / "slice" / "own" / "memory.current").write_text("7\n")
    assert cgroup.room(paper.proc) == 0


@real
def test_a_process_in_a_real_group_sees_its_limit() -> None:
    asked = "from grader.batch.process import free_memory; print(free_memory())"
    group = cgroup.Group(cgroup.find(), memory=400 * MIB, processes=64)
    doors = group.doors()
    try:
        ran = subprocess.run(
            [sys.executable, "-c", asked],
            preexec_fn=lambda: [os.write(door, b"0") for door in doors],
            pass_fds=doors,
            capture_output=True,
            text=True,
        )
    finally:
        for door in doors:
            os.close(door)
        group.remove()
    assert 100 * MIB < int(ran.stdout) < 400 * MIB, ran.stderr
