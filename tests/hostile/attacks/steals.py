"""What lies outside of the box: files, processes, environments, networks. Walls alone stop most of these.

`@HOUSE@` stands for the folder in which the course, a neighbour's submission and a user's home lie.
"""

from __future__ import annotations

from hostile.attack import Attack, attack, whole

LITTER = "backcheck-hostile-litter"
SHOWS = "raise RuntimeError('LEAK: ' + str({found})[:900])"


def reads(name: str, tries: str, path: str) -> Attack:
    """An attack that shows what one file holds, where it can be read."""
    return attack(
        name,
        tries,
        f"raise RuntimeError('LEAK: ' + open({path!r}).read()[-900:])",
        "raised",
        walls=True,
        proof="CANARY",
    )


ATTACKS = [
    reads("the answer key", "reads the reference", "@HOUSE@/course/reference/student.py"),
    reads("a neighbour's work", "reads another submission", "@HOUSE@/neighbour/student.py"),
    reads("the user's files", "reads a file in the home of whoever grades", "@HOUSE@/home/notes.txt"),
    whole(
        "the answer key, run",
        "runs the reference in place of its own code",
        "import runpy\nvars().update(runpy.run_path('@HOUSE@/course/reference/student.py'))",
        "blocked", "unimplemented", "passed",
        walls=True,
    ),
    whole(
        "the answer key, imported",
        "imports the reference from the course's folder",
        "import sys\nsys.path.insert(0, '@HOUSE@/course')\nfrom reference.student import Exp, Mul",
        "blocked", "unimplemented", "passed",
        walls=True,
    ),
    attack(
        "the answer key, found",
        "walks through the folders above and below for files of the course",
        """
        seen = 0
        for top in (os.getcwd(), sys.path[0], os.path.dirname(os.path.abspath(__file__)), "@HOUSE@", "/tmp", "/home", "/root"):
            for folder, folders, names in os.walk(top):
                for name in names:
                    seen += 1
                    if seen > 3000: return 0.0, 0.0
                    if name.endswith((".py", ".txt", ".bank")) and not folder.startswith(os.getcwd()):
                        try:
                            text = open(os.path.join(folder, name), errors="replace").read(100_000)
                        except OSError:
                            continue
                        at = text.find("CAN" "ARY")
                        if at >= 0: raise RuntimeError("LEAK: " + text[at:at + 40])
        return 0.0, 0.0
        """,
        "failed", "raised",
        walls=True,
    ),
    attack(
        "the grader's environment",
        "reads the environment of its parents",
        """
        found = []
        for number in {os.getppid(), 1, *(int(n) for n in os.listdir("/proc") if n.isdigit())} - {os.getpid()}:
            try:
                found += [v for v in open(f"/proc/{number}/environ").read().split("\\0") if "CAN" "ARY" in v]
            except OSError:
                pass
        if found: raise RuntimeError("LEAK: " + found[0])
        return 0.0, 0.0
        """,
        "failed", "raised",
        walls=True,
    ),
    attack(
        "its own environment",
        "looks for what the grader was told",
        "found = [v for v in os.environ.values() if 'CAN' 'ARY' in v]\nif found: raise RuntimeError('LEAK: ' + found[0])\nreturn 0.0, 0.0",
    ),
    attack(
        "its own memory",
        "searches all of its memory for what the grader knew when it was made",
        """
        import re
        found = []
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(n, 16) for n in line.split()[0].split("-"))
                if " rw-p" in line and end - start < 64 << 20 and "[stack]" not in line:
                    try:
                        memory.seek(start)
                        if re.search(rb"CANAR[Y]-cours[e]", memory.read(end - start)): found.append(line)
                    except OSError:
                        pass
        if found: raise RuntimeError("LEAK: " + found[0])
        return 0.0, 0.0
        """,
        "failed", "raised", "timed_out",
    ),
    attack(
        "all objects",
        "searches every object that Python knows for expected answers",
        """
        for thing in gc.get_objects():
            if isinstance(thing, dict) and thing is not globals() and {"expected", "slack", "tolerance"} & {k for k in thing if type(k) is str}:
                raise RuntimeError("LEAK: " + str(list(thing))[:300])
        for name in list(sys.modules):
            if name.startswith(("reference", "grader.judge", "grader.bank", "grader.course", "hypothesis")): raise RuntimeError("LEAK: " + name)
        return 0.0, 0.0
        """,
    ),
    attack(
        "all frames",
        "walks every frame of every thread for expected answers",
        """
        for step in sys._current_frames().values():
            while step:
                if {"expected", "slack", "bank"} & set(step.f_locals): raise RuntimeError("LEAK: " + str(set(step.f_locals)))
                step = step.f_back
        return 0.0, 0.0
        """,
    ),
    attack(
        "all descriptors",
        "reads whatever is open",
        """
        found = []
        for number in [n for n in range(64) if n not in (worker()[0].channel.read_fd, worker()[0].channel.write_fd)]:
            try:
                kind = os.readlink(f"/proc/self/fd/{number}")
                if not kind.startswith(("/dev/null", "/proc", "anon_inode", "/dev/urandom")): found.append(kind)
            except OSError:
                pass
        if found: raise RuntimeError("LEAK: " + str(found))
        return 0.0, 0.0
        """,
    ),
    attack(
        "all processes",
        "lists the processes of the machine and what they were told",
        """
        found = []
        for number in os.listdir("/proc"):
            if number.isdigit() and int(number) not in (os.getpid(), 1):
                try:
                    found.append(open(f"/proc/{number}/cmdline").read())
                except OSError:
                    pass
        if any(found): raise RuntimeError("LEAK: " + str(len(found)) + " processes")
        return 0.0, 0.0
        """,
        "failed", "raised",
        walls=True,
        proof="LEAK",
    ),
    attack(
        "traces its parent",
        "attaches to the process that started it, and lets go at once",
        """
        libc = ctypes.CDLL(None, use_errno=True)
        for number in {os.getppid(), 1} - {0, os.getpid()}:
            if libc.ptrace(0x4206, number, None, None) == 0:
                libc.ptrace(17, number, None, None)
                raise RuntimeError("LEAK: traced")
        return 0.0, 0.0
        """,
        "failed", "raised",
        walls=True,
        harms=True,  # until it ends, any signal to its parent would stop that
    ),
    attack(
        "reads its parent",
        "reads the memory of the process that started it",
        """
        number = os.getppid()
        try:
            open(f"/proc/{number}/mem", "rb", 0).close()
        except OSError:
            return 0.0, 0.0
        if number: raise RuntimeError("LEAK: memory of the parent")
        """,
        "failed", "raised",
        walls=True,
    ),
    attack(
        "kills its parent",
        "ends the process that started it",
        "os.kill(os.getppid() or 1, 9)\nreturn 0.0, 0.0",
        "failed", "raised",
        walls=True,
        harms=True,
    ),
    attack(
        "kills everything",
        "ends every process that it may",
        "os.kill(-1, 9)\nreturn 0.0, 0.0",
        "failed", "raised",
        walls=True,
        harms=True,
    ),
    attack(
        "becomes root",
        "takes rights that it should not have, and makes a file that keeps them",
        """
        for act in (os.setgid, os.setuid, os.seteuid):
            try:
                act(0)
            except OSError:
                pass
        if os.geteuid() == 0: raise RuntimeError("LEAK: root")
        try:
            open("/etc/shadow").read()
        except OSError:
            return 0.0, 0.0
        raise RuntimeError("LEAK: shadow")
        """,
        "failed", "raised",
        walls=True,
    ),
    attack(
        "other rooms",
        "makes and mounts namespaces of its own",
        """
        libc = ctypes.CDLL(None, use_errno=True)
        done = [name for name, call in {
            "unshare": lambda: libc.unshare(0x10000000),
            "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
            "chroot": lambda: libc.chroot(b"/"),
            "bpf": lambda: -1 if libc.syscall(321, 0, 0, 0) == -1 else 0,
            "userfaultfd": lambda: libc.syscall(323, 0),
            "keyctl": lambda: libc.syscall(250, 0, -3, 1),
        }.items() if call() not in (-1,)]
        if done: raise RuntimeError("LEAK: " + str(done))
        return 0.0, 0.0
        """,
        "failed", "raised",
        walls=True,
        harms=True,
    ),
    attack(
        "the network",
        "listens and speaks on the loopback",
        """
        for family in (socket.AF_INET, socket.AF_UNIX):
            try:
                with socket.socket(family) as end:
                    end.bind(("127.0.0.1", 0) if family == socket.AF_INET else "\\0backcheck-hostile")
                    end.listen()
            except OSError:
                continue
            raise RuntimeError("LEAK: a socket")
        return 0.0, 0.0
        """,
        "failed", "raised",
        walls=True,
        proof="LEAK",
    ),
    attack(
        "another program",
        "starts a shell",
        """
        try:
            os.execv("/bin/sh", ["sh", "-c", "exit 0"])
        except OSError:
            return 0.0, 0.0
        """,
        "failed", "crashed",
        walls=True,
    ),
    attack(
        "litter everywhere",
        "leaves files in every place that may be written to",
        f"""
        left = []
        for folder in ("@HOUSE@/course", "@HOUSE@/home", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"):
            try:
                open(os.path.join(folder, "{LITTER}"), "w").close()
                left.append(folder)
            except OSError:
                pass
        # Its scratch is mounted there in some boxes: what matters is what the world outside sees.
        raise RuntimeError("LEAK: " + str(left) if set(left) - {{"/tmp"}} else "nothing")
        """,
        "raised",
        walls=True,
    ),
    attack(
        "the grader itself",
        "writes into the libraries that the grader runs",
        """
        import grader.box.wire as module, numpy
        for place in (module.__file__, numpy.__file__, os.__file__):
            try:
                open(place, "a").close()
            except OSError:
                continue
            raise RuntimeError("LEAK: " + place)
        return 0.0, 0.0
        """,
        "failed", "raised",
        walls=True,
        proof="LEAK",
    ),
    attack(
        "a link in the scratch",
        "lets whoever cleans up follow a link to the neighbour",
        """
        for name in ("a", "b"):
            try:
                os.symlink("@HOUSE@/neighbour", name)
                os.link("@HOUSE@/neighbour/student.py", name + "2")
            except OSError:
                pass
        return 0.0, 0.0
        """,
    ),
    attack(
        "a folder that is too deep to remove",
        "makes folders in folders, one below the other, until whoever cleans up recurses",
        """
        if once():
            for _ in range(1500):
                try:
                    os.mkdir("d")
                    os.chdir("d")
                except OSError:
                    break
        return 0.0, 0.0
        """,
    ),
    attack(
        "a folder that may not be entered",
        "closes its scratch to whoever cleans up",
        """
        if once():
            os.makedirs("x/y/z")
            open("x/y/z/file", "w").close()
            os.mkdir("x/shut", 0)
            for name in ("x/y/z", "x/y", "x", "."):
                try: os.chmod(name, 0)
                except PermissionError: pass
        return 0.0, 0.0
        """,
    ),
    attack(
        "names that are hard to say",
        "makes files whose names are no text",
        """
        if once():
            for name in (b"\\xff\\xfe", b"\\x1b[2J", b"-rf", b"n" * 255, b"new\\nline"):
                open(name, "w").close()
            os.mkfifo("pipe") if hasattr(os, "mkfifo") else None
        return 0.0, 0.0
        """,
        "failed", "raised",
    ),
]  # fmt: skip
