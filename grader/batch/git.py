"""Students' repositories: which commit was handed in, and its files.

Nothing of a repository is run or obeyed: no hook, no filter, no attribute, no setting of its own that starts a
program. The files are read as objects; nothing is checked out.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec

from grader.batch.entries import LINK, Entry, Source, as_text, folder_names, hand_ins, problem
from grader.batch.model import Class, Student
from grader.batch.names import ENDINGS, distinct, shown, slug, stem
from grader.batch.scratch import filled, locked, passing
from grader.errors import OutputFault, UsageError
from grader.intake import MAX_ENTRIES, MAX_FILE, MAX_UNPACKED
from grader.report.text import count
from grader.setting import Progress

SECONDS = 60.0  # for one question to a repository
CLONE_SECONDS = 600.0
SLOW_SECONDS = 30.0  # after which a clone is told by its address
DEPTH = 200  # commits that are fetched of each branch
AT_ONCE = 4
CODE = (b".py", b".ipynb")
PRISTINE = frozenset(["feedback", "template"])  # branches that GitHub Classroom keeps as handed out
URL = re.compile(r"(?:https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")
LONGEST_LIST = 4 << 20

# What git reads of where a repository is kept.
READ_OF_A_STORE = ("HEAD", "config", "info", "objects", "packed-refs", "refs", "shallow")

# What a repository's own settings could start, switched off; nobody is asked for a password.
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "protocol.ext.allow=never",
    "safe.directory=*",
)
QUIET = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "LC_ALL": "C.UTF-8",
}
# Objects that are missing are not fetched, and the user's own settings are not read.
READING = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_CONFIG_GLOBAL": os.devnull}
CLONING = {"GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file", "GIT_ASKPASS": "true"}

# What reads a repository of this machine, which may be another user's, while it is cloned. It fetches nothing.
UPLOADING = (
    "env",
    "GIT_ALLOW_PROTOCOL=none",
    "GIT_NO_LAZY_FETCH=1",
    "git",
    *(word for setting in SETTINGS for word in ("-c", setting)),
    "upload-pack",
)

# Ends a clone and what it has begun as soon as nobody holds the other end of its standard input any more: a server
# that hangs would keep it for long after whoever started it was killed.
LEASHED = (
    "sh",
    "-c",
    'exec 3<&0; (cat <&3; kill -9 0) >/dev/null 2>&1 & exec "$@" 3<&- </dev/null',
    "sh",
)


class Branch(msgspec.Struct, frozen=True):
    """A branch: its name for people, the commit at its end and that commit's files, and when it was made; later: how
    many commits after it are left out."""

    name: str
    commit: str
    tree: str
    seconds: int
    later: int = 0


class Unreadable(Exception):
    """A repository that cannot be read; the message says why. It is one submission's problem."""


def clones(source: Source) -> Class | None:
    """A folder of clones, one for each student or group. Where no commit can be written out they are folders
    like others, graded as they lie there."""
    if source.scratch is None or not source.path.is_dir():
        return None
    folders = [entry for entry in folder_names(source.path) if entry.is_dir()]
    repositories = [Path(entry.path) for entry in folders if _store(Path(entry.path))]
    if not repositories or 2 * len(repositories) < len(folders):
        return None
    # What is none may still be somebody's work: it is told as such, and not left out.
    others = [
        Path(entry.path)
        for entry in folder_names(source.path)
        if Path(entry.path) not in repositories
        and (entry.is_dir() or entry.name.lower().endswith(ENDINGS))
    ]
    places = [*repositories, *others]
    names = [
        path.name.removesuffix(".git") if path in repositories else stem(path.name)
        for path in places
    ]
    return _class(source, _distinct(names), places)


def addresses(source: Source) -> Class | None:
    """A text file with the address or the path of one repository on each line; `#` begins a comment."""
    wanted = _addresses(source.path)
    if not any(URL.fullmatch(one) for one in wanted):
        return None
    if source.scratch is None:
        raise UsageError(f"{source.path}: repositories have to be cloned, and there is nowhere to")
    names = _names(wanted)
    clones_of_ours = source.scratch / "clones"
    try:
        clones_of_ours.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFault(f"{clones_of_ours}: cannot be made: {error.strerror}") from error
    places = [
        clones_of_ours / name if URL.fullmatch(one) else source.path.parent / one
        for name, one in zip(names, wanted, strict=True)
    ]

    running: set[subprocess.Popen[bytes]] = set()

    begun: dict[str, float] = {}

    def fetched(address: str, place: Path) -> str:
        begun[address] = time.monotonic()
        try:
            return _clone(address, place, running)
        finally:
            del begun[address]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            jobs = {
                address: pool.submit(fetched, address, place)
                for address, place in zip(wanted, places, strict=True)
                if URL.fullmatch(address)
            }
            _watch(list(jobs.values()), begun, source.progress)
            faults = [jobs[one].result() if one in jobs else "" for one in wanted]
        except BaseException:
            # Whoever ends the batch waits for no server.
            pool.shutdown(wait=False, cancel_futures=True)
            for clone in list(running):
                _end(clone)
            raise
    # Another batch may be cloning the same: what is read meanwhile stays in its place.
    with locked(clones_of_ours, shared=True):
        remarks = [
            f"{fault}: graded as it was cloned before" if fault and _is_of(place, address) else ""
            for fault, place, address in zip(faults, places, wanted, strict=True)
        ]
        faults = [
            fault if not remark else "" for fault, remark in zip(faults, remarks, strict=True)
        ]
        return _class(source, names, places, faults, remarks)


def _watch(
    jobs: Sequence[Future[str]], begun: Mapping[str, float], progress: Progress | None
) -> None:
    """Waits until all is cloned, and tells what is waited for: a server that hangs takes long. Raises what one raised.

    begun: since when the addresses at work are, by the monotonic clock.
    """
    if progress is not None:
        progress.note(
            f"cloning {count(len(jobs), 'address', 'addresses')}, {AT_ONCE} at once, {CLONE_SECONDS / 60:g} min each at most"
        )
    told: set[str] = set()
    left: set[Future[str]] = set(jobs)
    while left:
        done, left = wait(left, 0.5, FIRST_COMPLETED)
        for job in done:
            job.result()
        at_work = sorted(dict(begun).items(), key=lambda one: one[1])
        if progress is None or not at_work:
            continue
        for address, since in at_work:
            if time.monotonic() - since > SLOW_SECONDS and address not in told:
                told.add(address)
                progress.note(
                    f"{_public(address)} is not cloned after {SLOW_SECONDS:g} s; "
                    f"it is given up after {CLONE_SECONDS / 60:g} min"
                )
        address, since = at_work[0]
        progress.say(
            f"cloned {len(jobs) - len(left)} of {len(jobs)}; {time.monotonic() - since:.0f} s "
            f"of {CLONE_SECONDS:g}: {_end_of(address)}"
        )


def _public(address: str) -> str:
    """An address without the password that may be in it."""
    return shown(re.sub(r"//[^/@]*@", "//", address))


def _end_of(address: str) -> str:
    """`course/ada.git` of an address, for a line that has no room for all of it."""
    return "/".join(re.split(r"[/:]", _public(address))[-2:])


def _addresses(path: Path) -> list[str]:
    try:
        if not path.is_file() or path.stat().st_size > LONGEST_LIST:
            return []
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    text = as_text(data)
    if "\0" in text:
        return []
    lines = text.splitlines()
    told = (line.partition(" #")[0].strip() for line in lines)
    return list(dict.fromkeys(one for one in told if one and not one.startswith("#")))


def _last(address: str) -> str:
    """`ada` of `git@example.org:course/ada.git`."""
    return re.split(r"[/:]", address.rstrip("/"))[-1].removesuffix(".git") or address


def _names(addresses: Sequence[str]) -> list[str]:
    """What each repository is called: `minitorch-ada` and `minitorch-emmy` where two end in `minitorch`."""
    last = [_last(one) for one in addresses]
    owners = [(re.split(r"[/:]", one.rstrip("/"))[-2:-1] or [""])[0] for one in addresses]
    plain = [slug(name) for name in last]
    return _distinct(
        [
            f"{name}-{owner}" if owner and plain.count(one) > 1 else name
            for name, owner, one in zip(last, owners, plain, strict=True)
        ]
    )


def _distinct(names: Sequence[str]) -> list[str]:
    return distinct([f"{n} {k}" if names[:k].count(n) else n for k, n in enumerate(names)])


def _class(
    source: Source,
    names: Sequence[str],
    places: Sequence[Path],
    faults: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Class:
    """faults: why a repository cannot be had, or ""; remarks: what has to be said of it, or ""."""
    if source.scratch is None:
        raise UsageError(
            f"{source.path}: the files of a commit have to be written somewhere, and there is nowhere to"
        )
    entries = []
    warnings: list[str] = []
    targets = distinct(names)
    for number, (name, place) in enumerate(zip(names, places, strict=True)):
        fault = faults[number] if faults else ""
        entry = _entry(source, name, place, source.scratch / "git" / targets[number], fault)
        if remarks and remarks[number]:
            entry = msgspec.structs.replace(entry, notes=(remarks[number], *entry.notes))
            warnings.append(f"{shown(name)}: {remarks[number]}")
        warnings += [f"{shown(name)}: {note}" for note in entry.notes if note.startswith("branch ")]
        entries.append(entry)
    taken = hand_ins(entries)
    return Class("git", f"{len(taken)} git repositories", taken, (), tuple(warnings))


def _entry(source: Source, name: str, place: Path, target: Path, fault: str) -> Entry:
    who = (Student(name, name),)
    if fault:
        return Entry(name, who, place, problem=fault)
    if source.path.is_dir() and place.is_symlink():
        return Entry(name, who, place, problem=LINK)
    try:
        store = _store(place)
        if store is None:
            why = "" if os.path.lexists(place / ".git") else problem(place)
            return Entry(name, who, place, problem=why or "this is no git repository")
        _own(store)
        branch, notes = chosen(store, source.deadline)
        commit, when, more = handed_in(store, branch, source.deadline)
        notes += more
        target = target / commit[:12]
        left_out = filled(target, lambda folder: extract(store, commit, folder))
    except Unreadable as error:
        return Entry(name, who, place, problem=str(error))
    told = [f"{shown(place)} was left out: {why}" for place, why in left_out.items()][:8]
    try:
        time = dt.datetime.fromtimestamp(when, dt.UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        time = ""
        notes += (
            f"the commit's time, {when}, is in no calendar: when it was handed in is unknown",
        )
    return Entry(name, who, target, received=time, notes=(f"commit {commit[:10]}", *notes, *told))


def _store(path: Path) -> Path | None:
    """Where a repository keeps its objects. A `.git` that is a file or a link may point anywhere: it is none, as is
    what cannot be looked into."""
    with contextlib.suppress(OSError):
        for store in (path / ".git", path):
            if store.is_dir() and not store.is_symlink():
                kept = (store / "objects").is_dir() and (store / "HEAD").is_file()
                if kept and not (store / "objects").is_symlink():
                    return store
    return None


def _own(store: Path) -> None:
    """Raises Unreadable for a repository that is not whole in its folder: git follows what leads out of it, to what is
    somebody else's, and waits for what never ends."""
    alternates, shared = store / "objects" / "info" / "alternates", store / "commondir"
    if os.path.lexists(shared) or os.path.lexists(alternates):
        raise Unreadable(
            "it goes on in another repository. Clone it anew, without --shared or --reference"
        )
    top = [store / name for name in READ_OF_A_STORE]
    folders = [path for path in top if os.path.isdir(path) and not os.path.islink(path)]
    for path in [*top, *(found for folder in folders for found in _entries(folder))]:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Unreadable(f"git cannot read it: {error.strerror}") from error
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise Unreadable(
                f"{shown(str(path.relative_to(store)))} of its .git is no plain file. Clone it anew"
            )


def _entries(folder: Path) -> Iterator[Path]:
    """All that lies below a folder; no link is followed."""
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *names))


def ask(store: Path, *words: str, given: bytes = b"") -> bytes:
    """What git answers about a repository. Raises Unreadable."""
    command = ["git", *_settings(), f"--git-dir={store}", *words]
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    try:
        ran = subprocess.run(
            command,
            input=given,
            capture_output=True,
            timeout=SECONDS,
            env=kept | QUIET | READING,
            cwd=store,
        )
    except FileNotFoundError as error:
        raise UsageError(
            "git is not installed here: install it, or name folders of files"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unreadable(f"git did not answer in {SECONDS:g} s") from error
    except OSError as error:
        raise Unreadable(f"git cannot read it: {error.strerror}") from error
    if ran.returncode:
        raise Unreadable(f"git cannot read it: {_line(ran.stderr)}")
    return ran.stdout


def _settings() -> list[str]:
    return [word for setting in SETTINGS for word in ("-c", setting)]


def _line(told: bytes) -> str:
    lines = [line for line in told.decode("utf-8", "replace").splitlines() if line.strip()]
    return shown(lines[-1][:200]) if lines else "no reason was given"


def _is_of(place: Path, address: str) -> bool:
    """Whether an earlier clone of that very address is there."""
    store = _store(place)
    if store is None:
        return False
    with contextlib.suppress(Unreadable):
        return ask(store, "config", "--get", "remote.origin.url").decode().strip() == address
    return False


def _reason(told: bytes) -> str:
    """What went wrong with a clone: the first line, for what follows is the same for every reason."""
    lines = told.decode("utf-8", "replace").splitlines()
    told_us = [one for one in lines if one.strip() and not one.startswith(("Cloning ", "warning:"))]
    return shown(told_us[0][:200]) if told_us else "no reason was given"


def _clone(address: str, place: Path, running: set[subprocess.Popen[bytes]]) -> str:
    """Fetches a repository, without a work tree; why it could not be, or "". One that is there is replaced.

    running: holds the program while it is at work.
    """
    if shutil.which("git") is None:
        raise UsageError("git is not installed here: install it, or clone elsewhere")
    command = ["git", *_settings(), "clone", "--quiet", "--bare", "--template=", "--no-tags"]
    if address.startswith("file:"):
        try:
            here = _store(Path(url2pathname(urlsplit(address).path)))
            if here is not None:
                _own(here)
        except (Unreadable, ValueError) as error:
            return f"could not be cloned: {error}"
        # It is read by a git of its own, which hears of no settings of ours in another way.
        command += [f"--upload-pack={shlex.join(UPLOADING)}"]
    command += [f"--depth={DEPTH}", "--no-single-branch", "--", address]
    try:
        with passing(place.parent) as folder, _leash() as leash:
            with subprocess.Popen(
                [*(LEASHED if leash is not None else ()), *command, str(folder / "clone")],
                stdin=subprocess.DEVNULL if leash is None else leash,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=dict(os.environ) | QUIET | CLONING,
                start_new_session=True,
            ) as ran:
                running.add(ran)
                try:
                    _, said = ran.communicate(timeout=CLONE_SECONDS)
                finally:
                    _end(ran)
                    running.discard(ran)
            if ran.returncode:
                return f"could not be cloned: {_reason(said)}"
            with locked(place.parent):
                if os.path.lexists(place):
                    os.replace(place, folder / "before")
                os.replace(folder / "clone", place)
    except subprocess.TimeoutExpired:
        return f"could not be cloned in {CLONE_SECONDS / 60:g} min"
    except OSError as error:
        raise OutputFault(f"{place}: cannot be written: {error.strerror}") from error
    return ""


@contextlib.contextmanager
def _leash() -> Iterator[int | None]:
    """What a clone has as its standard input: the end of a pipe that is closed with this process; None where there is
    no shell to look at it."""
    if os.name != "posix":
        yield None
        return
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(theirs)
        os.close(ours)


def _end(clone: subprocess.Popen[bytes]) -> None:
    """Ends a program of its own session, and those that it has begun."""
    if clone.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(clone.pid, signal.SIGKILL)


# Which commit


def branches(store: Path) -> list[Branch]:
    """All branches, newest first. Where both sides have one of a name it is the remote's, unless the one here
    goes on from it, as in the repository of a student who did not push."""
    told = ask(
        store,
        "for-each-ref",
        "--format=%(refname)%00%(objectname)%00%(tree)%00%(committerdate:unix)",
        "refs/heads",
        "refs/remotes/origin",
    )
    found: dict[str, Branch] = {}
    for line in told.decode("utf-8", "surrogateescape").splitlines():
        reference, commit, tree, seconds = line.split("\0")
        name = reference.removeprefix("refs/heads/").removeprefix("refs/remotes/origin/")
        if name == "HEAD" or not tree:
            continue
        here = found.get(name)
        if here is None or not _goes_on(store, here.commit, commit):
            found[name] = Branch(name, commit, tree, int(seconds or 0))
    return sorted(found.values(), key=lambda branch: (-branch.seconds, branch.name))


def _goes_on(store: Path, commit: str, before: str) -> bool:
    """Whether `before` and all that leads to it is part of what leads to `commit`."""
    return commit != before and not ask(store, "rev-list", "-1", before, f"^{commit}").strip()


def chosen(store: Path, deadline: str = "") -> tuple[Branch, tuple[str, ...]]:
    """The branch to grade: the default one; the newest other one where the default is as it was handed out.

    Branches are looked at as they were at the deadline (ISO 8601, "" for none): what came later makes none of them the
    one that was handed in. As handed out is a branch whose code is that of its first commit: a README or a setting
    that a classroom adds is no work.
    """
    tips = branches(store)
    if not tips:
        raise Unreadable("the repository holds no commit: nothing was handed in")
    in_time = {tip.name: _at(store, tip, deadline) for tip in tips}
    # Where no branch has work in time they are taken as they are.
    late = not any(branch for name, branch in in_time.items() if name not in PRISTINE)
    found = sorted(
        tips if late else [branch for branch in in_time.values() if branch is not None],
        key=lambda branch: (branch.name in PRISTINE, -branch.seconds, branch.name),
    )
    by_tip = {tip.name: tip for tip in tips}
    by_name = {branch.name: branch for branch in found}
    usual = by_tip.get(_default(store)) or by_tip.get("main") or by_tip.get("master")
    default = by_name.get(usual.name) if usual is not None else None
    if default is None:
        missing = "is not there" if usual is None else "has no commit from before the deadline"
        return found[0], (f"branch {shown(found[0].name)}: the default branch {missing}",)
    given = {tip.tree for tip in tips if tip.name in PRISTINE}
    others = [
        branch
        for branch in found
        if branch.name not in PRISTINE
        and branch.tree not in given | {default.tree}
        and branch.seconds >= default.seconds
    ]
    if not others:
        untouched = default.tree in given
        return default, ("nothing was changed since it was handed out",) if untouched else ()
    code = _code(store, default.tree)
    untouched = code in [_code(store, tree) for tree in given]
    first = "" if untouched else _first_tree(store, default)
    if not untouched and first and code != _code(store, first):
        return default, ()
    others = [branch for branch in others if _code(store, branch.tree) != code]
    if not others:
        return default, ("nothing was changed since it was handed out",) if untouched else ()
    name, called = shown(others[0].name), shown(default.name)
    if not untouched and not first:
        return default, (
            f"branch {called}, though {name} is newer: the clone is shallow, so that nobody can tell whether "
            f"{called} is as it was handed out",
        )
    return others[0], (f"branch {name}, not {called}: {called} is as it was handed out",)


def _at(store: Path, branch: Branch, deadline: str) -> Branch | None:
    """A branch as it was at the deadline; None where no commit of it is from before."""
    commit = _before(store, branch.commit, deadline)
    if commit == branch.commit:
        return branch
    if not commit:
        return None
    told = ask(store, "rev-list", "-1", "--no-commit-header", "--format=%T %ct", commit).decode()
    tree, seconds = told.split()
    later = int(ask(store, "rev-list", "--count", f"{commit}..{branch.commit}"))
    return Branch(branch.name, commit, tree, int(seconds), later)


def _before(store: Path, commit: str, deadline: str) -> str:
    """The last commit from before the deadline of those that lead to this one, or ""."""
    if not deadline:
        return commit
    before = f"--before={int(dt.datetime.fromisoformat(deadline).timestamp())}"
    return ask(store, "rev-list", "-1", before, commit).decode().strip()


def _code(store: Path, tree: str) -> frozenset[bytes]:
    """The files of a tree that can be somebody's work, with their contents' names."""
    listed = ask(store, "ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")
    return frozenset(line for line in listed if line.endswith(CODE))


def _default(store: Path) -> str:
    for reference in ("refs/remotes/origin/HEAD", "HEAD"):
        with contextlib.suppress(Unreadable):
            told = ask(store, "symbolic-ref", "--quiet", reference).decode(
                "utf-8", "surrogateescape"
            )
            return told.strip().removeprefix("refs/heads/").removeprefix("refs/remotes/origin/")
    return ""


def _first_tree(store: Path, branch: Branch) -> str:
    """The files of the branch's first commit, which are those that were handed out; "" where a shallow clone
    does not hold it."""
    told = ask(store, "rev-list", "--max-parents=0", "--first-parent", branch.commit).split()
    try:
        cut = (store / "shallow").read_bytes().split()
    except OSError:
        cut = []
    if not told or told[-1] in cut:
        return ""
    return ask(store, "rev-parse", f"{told[-1].decode()}^{{tree}}").decode().strip()


def handed_in(store: Path, branch: Branch, deadline: str) -> tuple[str, int, tuple[str, ...]]:
    """The last commit of a branch before the deadline and its time; the very last where none is before it.

    branch: as `chosen` gives it."""
    notes: tuple[str, ...] = ()
    if not _before(store, branch.commit, deadline):
        notes = ("no commit is from before the deadline: the last one is graded",)
    elif branch.later:
        many = (
            "1 commit after the deadline is"
            if branch.later == 1
            else f"{branch.later} commits after the deadline are"
        )
        notes = (f"{many} left out",)
    when = int(ask(store, "rev-list", "-1", "--no-commit-header", "--format=%ct", branch.commit))
    return branch.commit, when, notes


# Its files


def extract(store: Path, commit: str, target: Path) -> dict[str, str]:
    """Writes the plain files of a commit into a folder of ours; what is not written, and why."""
    listed = ask(store, "ls-tree", "-r", "-z", "--long", "--full-tree", commit).split(b"\0")[:-1]
    if len(listed) > MAX_ENTRIES:
        raise Unreadable(f"{len(listed)} files; {MAX_ENTRIES} are allowed")
    wanted: list[tuple[str, PurePosixPath]] = []
    left_out: dict[str, str] = {}
    total = 0
    for line in listed:
        about, _, raw = line.partition(b"\t")
        mode, _, name_of, size = about.decode().split()
        name = raw.decode("utf-8", "backslashreplace")
        path = PurePosixPath(name)
        if mode not in ("100644", "100755") or not size.isdigit():
            kind = {"120000": "symbolic link", "160000": "submodule"}.get(mode, "special file")
            left_out[name] = f"it is a {kind}"
        elif int(size) > MAX_FILE:
            left_out[name] = f"{int(size) >> 20} MiB"
        elif ".." in path.parts or path.is_absolute() or ".git" in map(str.lower, path.parts):
            left_out[name] = "it has no name that is safe"
        else:
            wanted.append((name_of, path))
            total += int(size)
    if total > MAX_UNPACKED:
        raise Unreadable(f"{total >> 20} MiB of files; {MAX_UNPACKED >> 20} MiB are allowed")
    _write(ask(store, "cat-file", "--batch", given=_lines(wanted)), wanted, target)
    return left_out


def _lines(wanted: Sequence[tuple[str, PurePosixPath]]) -> bytes:
    return "".join(f"{name}\n" for name, _ in wanted).encode()


def _write(told: bytes, wanted: Sequence[tuple[str, PurePosixPath]], target: Path) -> None:
    """The objects of `cat-file --batch`, one after another: a line with the size, the bytes, a line end."""
    at = 0
    for name, path in wanted:
        end = told.find(b"\n", at)
        words = told[at:end].split()
        if end < 0 or len(words) != 3 or words[0].decode() != name:
            raise Unreadable(f"git cannot read it: {shown(str(path))} is missing")
        size = int(words[2])
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(told[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
