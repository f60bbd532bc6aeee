"""The gradebook: one SQLite file that keeps every grading and what it was a grading of.

A grading is known by its content: the same submission, bank, grader and seed are graded once. Every result is
one transaction, so that whoever is killed loses what was in flight and no more, and two batches that write the
same file at once write the same rows. Nothing is graded here.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from grader.batch.model import HandIn, Row, Student
from grader.errors import OutputFault, UsageError
from grader.model import Report
from grader.report.json import from_json, to_json

APPLICATION = 0x42434742  # "BCGB": tells a gradebook from other SQLite files
SCHEMA = 2
MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 60.0

WAITING, GRADED, HELD, NOT_GRADABLE = "waiting", "graded", "held", "not gradable"

TABLES = """
CREATE TABLE gradings (
  key TEXT PRIMARY KEY,
  module TEXT NOT NULL,
  version TEXT NOT NULL,
  seed INTEGER NOT NULL,
  report BLOB NOT NULL,
  score REAL,
  max_score REAL NOT NULL,
  seconds REAL NOT NULL,
  submission TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX gradings_by_submission ON gradings (module, submission);
CREATE TABLE hand_ins (
  module TEXT NOT NULL,
  id TEXT NOT NULL,
  students TEXT NOT NULL,
  origin BLOB NOT NULL,
  received TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  notes TEXT NOT NULL,
  state TEXT NOT NULL,
  problem TEXT NOT NULL,
  grading TEXT REFERENCES gradings (key),
  changed REAL NOT NULL,
  PRIMARY KEY (module, id)
) STRICT;
"""


def _to_2(connection: sqlite3.Connection) -> None:
    """Gradings are found by the submission's content as well."""
    connection.execute("ALTER TABLE gradings ADD COLUMN submission TEXT NOT NULL DEFAULT ''")
    connection.execute("CREATE INDEX gradings_by_submission ON gradings (module, submission)")
    for (key,) in connection.execute("SELECT key FROM gradings").fetchall():
        found = connection.execute("SELECT report FROM gradings WHERE key = ?", (key,)).fetchone()
        digest = _unpacked(found[0]).provenance.submission_digest[:16]
        connection.execute("UPDATE gradings SET submission = ? WHERE key = ?", (digest, key))


# From the schema version that is the key to the next one.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _to_2}


class Book:
    """An open gradebook. Used by one thread; other processes may have it open too."""

    def __init__(self, path: Path, *, archived: bool = False) -> None:
        """Opens or makes it. Raises UsageError, with the file untouched, for what is no gradebook or one of a
        newer version. archived: where nothing can be written, for reading alone; nobody else may write it
        meanwhile."""
        self.path = path
        self.seen = -1  # SQLite's number of what others wrote, as it was last looked at
        _look_at(path)
        uri = f"{path.absolute().as_uri()}?{'immutable=1' if archived else 'mode=rwc'}"
        with self._said():
            self.connection = sqlite3.connect(
                uri, timeout=BUSY_SECONDS, isolation_level=None, uri=True
            )
        try:
            with self._said():
                if not archived:
                    self._prepare()
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; what was kept is kept."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()

    def written_elsewhere(self) -> bool:
        """Whether another program has written to it since this was last asked; the first time it may have."""
        with self._said():
            before, self.seen = (
                self.seen,
                self.connection.execute("PRAGMA data_version").fetchone()[0],
            )
        return before != self.seen

    def enrol(self, module: str, hand_ins: Sequence[HandIn]) -> None:
        """Notes who handed in what. What came of it before stays until it is graded again, unless it lies elsewhere
        now: then it may be the work of somebody else who was given that id."""
        with self._transaction():
            for hand_in in hand_ins:
                self._enter(module, hand_in)

    def known(self, key: str) -> Report | None:
        """The report of a grading that was finished and not held; None where there is none."""
        with self._said():
            found = self.connection.execute(
                "SELECT report FROM gradings WHERE key = ? AND score IS NOT NULL", (key,)
            ).fetchone()
        return None if found is None else _unpacked(found[0])

    def latest(self, module: str, submission_digest: str) -> Report | None:
        """The last report on the same files that was finished and not held; None where there is none."""
        with self._said():
            found = self.connection.execute(
                "SELECT report FROM gradings WHERE module = ? AND submission = ? AND score IS NOT NULL "
                "ORDER BY rowid DESC LIMIT 1",
                (module, submission_digest[:16]),
            ).fetchone()
        return None if found is None else _unpacked(found[0])

    def kept_of(self, module: str, hand_in: HandIn) -> Report | None:
        """What is kept of a hand-in that was graded where it lies, and is not held; None where nothing is."""
        with self._said():
            found = self.connection.execute(
                "SELECT report FROM hand_ins JOIN gradings ON hand_ins.grading = gradings.key "
                "WHERE hand_ins.module = ? AND id = ? AND origin = ? AND score IS NOT NULL",
                (module, hand_in.id, os.fsencode(hand_in.path)),
            ).fetchone()
        return None if found is None else _unpacked(found[0])

    def keep(
        self,
        module: str,
        hand_in: HandIn,
        state: str,
        *,
        key: str = "",
        report: Report | None = None,
        problem: str = "",
    ) -> None:
        """Keeps what came of one hand-in, all of it or nothing. report: None where there is none, or where
        the gradebook holds it under `key` already."""
        with self._transaction():
            if report is not None:
                self.connection.execute(
                    "INSERT OR REPLACE INTO gradings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        key,
                        module,
                        report.provenance.versions.get("backcheck", ""),
                        report.provenance.seed,
                        zlib.compress(to_json(report)),
                        report.score,
                        report.max_score,
                        report.seconds,
                        report.provenance.submission_digest[:16],
                    ),
                )
            self._enter(module, hand_in)
            self.connection.execute(
                "UPDATE hand_ins SET state = ?, problem = ?, grading = ?, changed = ? "
                "WHERE module = ? AND id = ?",
                (state, _text(problem), key or None, time.time(), module, hand_in.id),
            )

    def adopt(self, other: Path) -> None:
        """Takes over the finished gradings of another gradebook that are not known here."""
        Book(other).close()  # which brings an older one up to date
        run = self.connection.execute
        with self._said():
            run("ATTACH ? AS other", (str(other),))
            try:
                with self._transaction():
                    run(
                        "INSERT OR IGNORE INTO gradings "
                        "SELECT * FROM other.gradings WHERE score IS NOT NULL ORDER BY rowid"
                    )
            finally:
                run("DETACH other")

    def copy(self, to: Path) -> None:
        """Writes all that it holds to another file. Finished gradings of a gradebook that is there stay known."""
        fresh = to.with_name(f"{to.name}.new")
        for old in (fresh, *_beside(fresh)):
            old.unlink(missing_ok=True)
        with self._said(), contextlib.closing(sqlite3.connect(fresh)) as target:
            self.connection.backup(target)
        if to.exists():
            with Book(fresh) as kept:
                kept.adopt(to)
        for old in _beside(to):
            old.unlink(missing_ok=True)
        fresh.replace(to)

    def rows(self, module: str) -> list[Row]:
        """All that is held of a module, in the order of the hand-ins' ids."""
        with self._said():
            found = self.connection.execute(
                "SELECT id, students, origin, received, attempt, notes, state, problem, report "
                "FROM hand_ins LEFT JOIN gradings ON hand_ins.grading = gradings.key "
                "WHERE hand_ins.module = ? ORDER BY id",
                (module,),
            ).fetchall()
        return [_row(module, *columns) for columns in found]

    def modules(self) -> list[str]:
        """The modules of which it holds anything, by name."""
        with self._said():
            found = self.connection.execute("SELECT DISTINCT module FROM hand_ins ORDER BY module")
            return [name for (name,) in found]

    def _enter(self, module: str, hand_in: HandIn) -> None:
        self.connection.execute(
            "INSERT INTO hand_ins VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', NULL, ?) "
            "ON CONFLICT (module, id) DO UPDATE SET students = excluded.students, "
            "origin = excluded.origin, received = excluded.received, attempt = excluded.attempt, "
            "notes = excluded.notes, "
            "state = iif(origin = excluded.origin, state, excluded.state), "
            "problem = iif(origin = excluded.origin, problem, excluded.problem), "
            "grading = iif(origin = excluded.origin, grading, excluded.grading)",
            (
                module,
                hand_in.id,
                msgspec.json.encode(hand_in.students).decode(),
                os.fsencode(hand_in.path),
                hand_in.received,
                hand_in.attempt,
                msgspec.json.encode(hand_in.notes).decode(),
                WAITING,
                time.time(),
            ),
        )

    def _prepare(self) -> None:
        run = self.connection.execute
        version = int(run("PRAGMA user_version").fetchone()[0])
        self._refuse_newer(version)
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        if version == SCHEMA:
            return
        with self._transaction():
            # Another batch may have been faster between the look and the lock.
            version = int(run("PRAGMA user_version").fetchone()[0])
            if version == 0:
                for statement in TABLES.split(";\n"):
                    run(statement)
                run(f"PRAGMA application_id = {APPLICATION}")
            else:
                for step in range(version, SCHEMA):
                    MIGRATIONS[step](self.connection)
            run(f"PRAGMA user_version = {SCHEMA}")

    def _refuse_newer(self, version: int) -> None:
        if version > SCHEMA:
            raise UsageError(_newer(self.path, version))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._said():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                advice = "another program holds it. Wait for that to end, and run the command again"
            elif code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                advice = (
                    "is the disk full? What was graded is kept. Make room and run the command again"
                )
            else:
                advice = (
                    "see that its folder is there and may be written, and run the command again"
                )
            raise OutputFault(f"{self.path}: cannot be written: {error}: {advice}") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"{self.path}: this gradebook is damaged ({error}). Move it away, or name another --out"
            ) from error


def _beside(path: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside a database while it is open."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _newer(path: Path, version: int) -> str:
    return (
        f"{path}: this gradebook is newer than this grader: its schema is {version}, and {SCHEMA} is the "
        "newest known here. Upgrade backcheck, or name another --out"
    )


def _look_at(path: Path) -> None:
    """Refuses what is no gradebook, or a newer one, from the file's first bytes, before SQLite opens it."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        return
    if not head.startswith(MAGIC) or len(head) < 100:
        raise UsageError(f"{path}: this is no gradebook. Move it away, or name another --out")
    (version,) = struct.unpack_from(">i", head, 60)
    (application,) = struct.unpack_from(">i", head, 68)
    if application == APPLICATION and version > SCHEMA:
        raise UsageError(_newer(path, version))
    # A gradebook that was ended while it was made has no name yet, and nothing in it.
    if application != APPLICATION and (application or version):
        raise UsageError(
            f"{path}: this is the database of another program. Move it away, or name another --out"
        )


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def _unpacked(data: bytes) -> Report:
    return from_json(zlib.decompress(data))


def of_hand_in(report: Report, hand_in: HandIn) -> Report:
    """The report as the one of that hand-in: two that are alike to the byte share a grading."""
    return msgspec.structs.replace(report, submission=hand_in.id, origin=_text(hand_in.path))


def _row(
    module: str,
    name: str,
    students: str,
    origin: bytes,
    received: str,
    attempt: int,
    notes: str,
    state: str,
    problem: str,
    packed: Any,
) -> Row:
    hand_in = HandIn(
        id=name,
        students=msgspec.json.decode(students, type=tuple[Student, ...]),
        path=os.fsdecode(origin),
        received=received,
        attempt=attempt,
        notes=msgspec.json.decode(notes, type=tuple[str, ...]),
        problem=problem if state == NOT_GRADABLE else "",
    )
    report = None if packed is None else of_hand_in(_unpacked(packed), hand_in)
    if state == WAITING:
        problem = "not graded yet"
    return Row(module, hand_in, report, problem)
