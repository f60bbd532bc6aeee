"""Banks for tests: every module under any seed, drawn check by check and kept beside the course's own, so that
the processes of one test run share the work and the next run finds it done.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from grader import bank
from grader.course import Course, load_checks
from grader.intake import read_folder
from grader.model import CaseBank, Submission
from grader.sandbox.session import Session

PROJECT = Path(__file__).resolve().parents[1]
PRELOAD = ("numpy", "numba", "hypothesis")  # all that a module of the course preloads

# The course's own seed and number of cases, then two other seeds with fewer cases.
DRAWS: tuple[tuple[int | None, int | None], ...] = ((None, None), (1, 40), (2, 40))
GIVEN_UP_SECONDS = 120.0
KEPT_SECONDS = 24 * 3600.0


class Banks:
    """The course's modules with their banks, under any seed."""

    def __init__(self, course: Course, draws: int = len(DRAWS)) -> None:
        """draws: how many of the seeds `under_each_seed` takes."""
        self.course = course
        self.draws = draws
        self.closing = contextlib.ExitStack()
        self.sessions: dict[str, Session] = {}
        self.drawn: dict[Path, bank.Module] = {}
        self.folders: dict[tuple[str, int], tuple[str, Path]] = {}
        self.declared = functools.cache(functools.partial(load_checks, course))

    def under_each_seed(self, name: str, keys: Sequence[str] = ()) -> list[bank.Module]:
        """The module under each of the first seeds; see `module`."""
        draws = DRAWS[: self.draws]
        return [self.module(name, keys, seed=seed, cases=cases) for seed, cases in draws]

    def module(
        self,
        name: str,
        keys: Sequence[str] = (),
        *,
        seed: int | None = None,
        cases: int | None = None,
    ) -> bank.Module:
        """A module with all of its checks, or with those of these keys alone."""
        given = self.course.settings
        settings = msgspec.structs.replace(
            given,
            seed=given.seed if seed is None else seed,
            cases=given.cases if cases is None else cases,
        )
        course = msgspec.structs.replace(self.course, settings=settings)
        assignment, declared = self.declared(name)
        wanted = [item for item in declared if not keys or item.check.key in keys]
        if (name, settings.seed) not in self.folders:
            digest = bank.module_digest(course, name)
            folder = bank.cache_folder() / "tests" / f"{name}-{settings.seed}" / digest[:20]
            self._prepare(folder)
            self.folders[name, settings.seed] = digest, folder
        digest, folder = self.folders[name, settings.seed]
        banks: dict[str, CaseBank] = {}
        while len(banks) < len(wanted):
            before = len(banks)
            for item in wanted:
                key = item.check.key
                if key in banks:
                    continue
                path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.bank"
                ready = self.drawn.get(path) or bank.read(path, digest)
                if ready is None:
                    with claimed(path.with_suffix(".claim")) as mine:
                        if not mine:
                            continue
                        drawn = bank.draw(
                            item,
                            bank.check_seed(settings.seed, name, key),
                            item.cases or settings.cases,
                            self._reference(name),
                        )
                        ready = bank.Module(assignment, {key: drawn}, digest)
                        bank.store(path, ready)
                self.drawn[path] = ready
                banks[key] = ready.banks[key]
            if len(banks) == before:
                time.sleep(0.2)
        few = msgspec.structs.replace(assignment, checks=tuple(item.check for item in wanted))
        ordered = {item.check.key: banks[item.check.key] for item in wanted}
        return bank.Module(few, ordered, digest)

    def _reference(self, name: str) -> Session:
        if name not in self.sessions:
            assignment, _ = self.declared(name)
            session = bank.reference_session(self.course, assignment)
            self.sessions[name] = self.closing.enter_context(session)
        return self.sessions[name]

    @staticmethod
    def _prepare(folder: Path) -> None:
        """Makes the folder; those of earlier versions of the module go after a day."""
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        for other in folder.parent.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - other.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)


def reference_submission(course: Course) -> Submission:
    """The answer key as a submission to any module."""
    package = read_folder(course.reference, ["minitorch"], ["tests"])
    single = read_folder(course.reference, ["warmup"])
    return msgspec.structs.replace(package, files=single.files | package.files)


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process is the one that does the work that a file stands for. A claim that is as old
    as no work can be was left by a process that died."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > GIVEN_UP_SECONDS:
                path.unlink()
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
