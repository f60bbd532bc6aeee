"""The zip that Gradescope takes: engine, pinned packages, one module's pack, and the two scripts it runs.

`archive` makes it; `warnings` says what an instructor should know before it is uploaded. The same course and the
same engine give the same bytes. Nothing here runs on Gradescope: that is `grader.platforms.gradescope_run`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import yaml

import grader
from grader import pack
from grader.bank import Module
from grader.course import Course
from grader.model import Visibility
from grader.sandbox.image import canonical, distributions
from grader.terms import Late, Terms
from grader.termsfile import dates_of, zone

DEFAULT_MEMORY = 768  # MB that an assignment's settings give at first
# What grading in a container takes: no pages, no engine of containers, no terminal.
NEEDED = (
    "click", "greenlet", "hypothesis", "msgspec", "numba", "numpy", "platformdirs", "psutil", "pyyaml",
    "typing_extensions",
)  # fmt: skip
MOMENT = (1980, 1, 1, 0, 0, 0)  # of every file in it
PRIVATE, PLAIN, PROGRAM = 0o600, 0o644, 0o755

SETUP = """\
#!/bin/sh
# Runs once, when Gradescope builds the image. The system's python3 is left as it is.
set -eu
source="${AUTOGRADER_ROOT:-/autograder}/source"
python=""
for name in python3.11 python3.12 python3.13; do
    if command -v "$name" >/dev/null && "$name" -c 'import ensurepip, venv' 2>/dev/null; then
        python="$name"
        break
    fi
done
if [ -z "$python" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install -y --no-install-recommends python3.11 python3.11-venv
    python=python3.11
fi
"$python" -m venv /opt/backcheck
/opt/backcheck/bin/python -m pip install --no-cache-dir --only-binary :all: -r "$source/requirements.txt"
/opt/backcheck/bin/python -m pip install --no-cache-dir --no-deps --no-index "$source"/*.whl
# The pack holds the expected answers: for root alone.
chmod -R go-rwx "$source"
"""
RUN = """\
#!/bin/sh
# Runs for every submission. It ends with 0 and leaves a results.json, whatever happens.
root="${AUTOGRADER_ROOT:-/autograder}"
python="${AUTOGRADER_PYTHON:-/opt/backcheck/bin/python}"
mkdir -p "$root/results"
rm -f "$root/results/results.json"
chmod -R go-rwx "$root/source"
"$python" -P -m grader gradescope run --root "$root"
if [ ! -s "$root/results/results.json" ]; then
    cat > "$root/results/results.json" <<'END'
{"score": 0, "output": "The grader did not start, through no fault of yours. Tell your instructor.", "output_format": "text", "extra_data": {"held": true}}
END
fi
exit 0
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the instructor chose, as `gradescope.json` holds it.

    minutes: that the assignment's settings on Gradescope allow a run; attempts: how many submissions are graded,
    0 for all; terms: what lateness costs, None where it costs nothing; leaderboard: whether the times of the checks
    of speed go to Gradescope's leaderboard.
    """

    module: str
    minutes: float = 10.0
    attempts: int = 0
    terms: Terms | None = None
    leaderboard: bool = False


def terms_there(course: Course, module: str) -> Terms | None:
    """The course's terms for that module as they go into the zip: its dates and the rules of lateness, and of no
    student anything. None where `grader.yaml` has neither rules nor a last date."""
    given = course.settings.dates.get(module)
    late = course.settings.late
    if late == Late() and (given is None or given.late_due is None):
        return None
    where = zone(course.settings.timezone)
    dates = {} if given is None or where is None else {module: dates_of(given, where)}
    return Terms(dates=dates, late=late)


def archive(course: Course, module: Module, settings: Settings) -> bytes:
    """The zip, ready to be uploaded."""
    name = module.assignment.name
    isolation = course.settings.isolation
    yaml_file: dict[str, Any] = {
        "course": course.settings.course,
        "modules": [name],
        "seed": course.settings.seed,
        "isolation": {"sandbox": "auto", "require": isolation.require},
    }
    if name in course.settings.limits:
        limits = msgspec.to_builtins(course.settings.limits[name])
        yaml_file["limits"] = {name: {k: v for k, v in limits.items() if v is not None}}
    wheel_name, wheel = engine()
    return zipped(
        {
            "setup.sh": (SETUP.encode(), PROGRAM),
            "run_autograder": (RUN.encode(), PROGRAM),
            "requirements.txt": (requirements().encode(), PLAIN),
            wheel_name: (wheel, PLAIN),
            "gradescope.json": (msgspec.json.encode(settings), PRIVATE),
            "course/grader.yaml": (yaml.safe_dump(yaml_file).encode(), PRIVATE),
            f"course/packs/{name}{pack.SUFFIX}": (pack.make(course, module, "grader"), PRIVATE),
        }
    )


def warnings(module: Module, settings: Settings, earlier: str = "student") -> list[str]:
    """What to know before uploading, one sentence or two each. earlier: as `grader.yaml` has it."""
    checks = module.assignment.checks
    found = []
    kinds = {c.visibility for c in checks}
    hidden = sum(c.visibility is not Visibility.VISIBLE for c in checks)
    if hidden:
        found.append(
            f"{hidden} of {len(checks)} checks are not visible to students: until they are shown, Gradescope hides "
            "the total from them too. Where no box can keep the cases in, they are held"
        )
    if Visibility.AFTER_DUE_DATE in kinds:
        found.append(
            "checks shown after the due date wait for the late due date, where there is one"
        )
    slow = [f"{c.task} {c.title}" for c in checks if c.at_most_times]
    if slow:
        found.append(
            f"not asked there: {'; '.join(slow)}. Speed is taken beside the reference, which is not in a pack"
        )
    if module.assignment.earlier and earlier == "reference":
        found.append(
            "files of earlier modules are the student's own there: a pack holds none of the reference, whatever "
            "`earlier` in grader.yaml says"
        )
    if settings.leaderboard:
        found.append("switch the leaderboard on in the assignment's settings as well")
    limits = module.assignment.limits
    if limits.run_seconds * 2 > settings.minutes * 60:
        found.append(
            f"a submission may take {limits.run_seconds:g} s of processor time, and half a processor needs twice as "
            f"long as that: {settings.minutes:g} minutes may not be enough. Raise the timeout in the assignment's "
            "settings and --minutes with it, or choose a whole processor"
        )
    if limits.memory_mb > DEFAULT_MEMORY:
        found.append(
            f"a submission may hold {limits.memory_mb} MB, and Gradescope gives the whole run {DEFAULT_MEMORY} MB by "
            "default: raise the memory in the assignment's settings"
        )
    if settings.terms is not None:
        if settings.module not in settings.terms.dates:
            found.append(
                f"grader.yaml has no date for {settings.module}: lateness is counted from the assignment's due date "
                "on Gradescope"
            )
        if settings.terms.late.tokens:
            found.append(
                "late days are not used there, for a run knows one module only: lateness costs what it costs "
                "without them"
            )
        found.append(
            "what students.yaml agrees with single students stays here: a run knows of no extension"
        )
    return found


def engine() -> tuple[str, bytes]:
    """This engine as a wheel, made from its own files: its file name and its bytes."""
    home = Path(grader.__file__).parent
    about = f"backcheck-{grader.__version__}.dist-info"
    files = {
        f"grader/{path.relative_to(home).as_posix()}": path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and not left_lying(path.relative_to(home))
    }
    files[f"{about}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: backcheck\nVersion: {grader.__version__}\nRequires-Python: >=3.11\n"
    ).encode()
    files[f"{about}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: backcheck\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{about}/entry_points.txt"] = b"[console_scripts]\ngrade = grader.cli:main\n"
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in sorted(files.items())
    ]
    files[f"{about}/RECORD"] = ("\n".join([*record, f"{about}/RECORD,,"]) + "\n").encode()
    made = zipped({name: (data, PLAIN) for name, data in files.items()})
    return f"backcheck-{grader.__version__}-py3-none-any.whl", made


def left_lying(path: Path) -> bool:
    """Whether a file among the engine's is none of it: what Python, an editor or a file manager leaves there."""
    return path.name.endswith("~") or any(
        part == "__pycache__" or part.startswith(".") for part in path.parts
    )


def requirements() -> str:
    """The packages that grading needs, pinned: with their hashes where the project's lock file is there, else as
    installed here."""
    wanted = distributions(NEEDED)
    lock = Path(grader.__file__).parents[1] / "requirements.lock"
    if not lock.is_file():
        return "".join(f"{name}=={found.version}\n" for name, found in wanted.items())
    text = lock.read_text(encoding="utf-8")
    entries = {
        canonical(entry.group(1)): entry.group()
        for entry in re.finditer(
            r"^([A-Za-z0-9._-]+)==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", text, re.M
        )
    }
    return "".join(entries[name] for name in sorted(wanted) if name in entries)


def zipped(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A zip of files (name -> bytes and mode), the same bytes for the same files."""
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as made:
        for name, (data, mode) in sorted(files.items()):
            info = zipfile.ZipInfo(name, MOMENT)
            info.create_system = 3  # Unix, whose modes stand in the upper half
            info.external_attr = (0o100000 | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, data, compresslevel=9)
    return room.getvalue()
