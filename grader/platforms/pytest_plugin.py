"""A pytest plugin: in a folder with a `grader.yaml`, every check is a test item.

`pytest` in a student's repository asks the public checks; `pytest -m task2_4` those of one task, `pytest -k Mul`
those with that word, as the course's own tests are selected. An item is a check, its failure is what `grade`
would tell of it, and the module is graded once for all items that are chosen.

The plugin is loaded wherever backcheck is installed, and does nothing without a `grader.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from grader.bank import Module
    from grader.course import Course
    from grader.model import Check, Report, Verdict
    from grader.sandbox import Sandbox

FILE = "grader.yaml"


class NotPassed(Exception):
    """A check that did not pass; holds its verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


def marker(task: str) -> str:
    """`task2_4`: a task's id as a name that `-m` takes."""
    return "task" + re.sub(r"\W", "_", task)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options `--no-checks` and `--check-module`."""
    group = parser.getgroup("backcheck")
    group.addoption(
        "--no-checks",
        action="store_true",
        help=f"Do not ask the checks of the course whose {FILE} is here.",
    )
    group.addoption(
        "--check-module",
        action="append",
        default=[],
        metavar="MODULE",
        help="Ask the checks of this module only; may be repeated.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers of all tasks, so that `--strict-markers` knows them."""
    course = course_of(config.rootpath)
    if course is None or config.getoption("--no-checks"):
        return
    from grader.course import load_module
    from grader.errors import GraderError

    if below(config):
        config.args.append(str(config.rootpath / FILE))
    for module in wanted(config, course):
        try:
            tasks = load_module(course, module).tasks
        except GraderError:
            continue  # collecting the checks says what is wrong
        for task in tasks:
            text = f"{marker(task.id)}: {module}, task {task.id}: {task.title}"
            config.addinivalue_line("markers", text)


def below(config: pytest.Config) -> bool:
    """Whether pytest was called in a folder of the course or repository and told nothing of what to run: an editor's
    terminal opens there, and the checks belong to whatever lies in it."""
    return (
        config.args_source is pytest.Config.ArgsSource.INVOCATION_DIR
        and config.rootpath in config.invocation_params.dir.parents
        and not config.getini("testpaths")
    )


def course_of(root: Path) -> Course | None:
    """The course in that folder; None where there is none, or none that can be read (collecting its file
    says why)."""
    if not (root / FILE).is_file():
        return None
    from grader.course import load_course
    from grader.errors import GraderError

    try:
        return load_course(root)
    except GraderError:
        return None


def wanted(config: pytest.Config, course: Course) -> tuple[str, ...]:
    """The modules to ask: those named, or all. Raises UsageError for a name that is none of them."""
    from grader.errors import unknown

    named = config.getoption("--check-module")
    for name in named:
        if name not in course.settings.modules:
            raise pytest.UsageError(
                f"--check-module: {unknown('module', name, course.settings.modules)}"
            )
    return tuple(m for m in course.settings.modules if not named or m in named)


def together(config: pytest.Config) -> bool:
    """Whether several processes (pytest-xdist) share the items out with all checks of a module to one of them, which
    grades them at once as a single process does. Not where the user says how they are shared out."""
    if config.getoption("dist", "no") != "load" or config.getoption("--no-checks"):
        return False
    places = (config.invocation_params.dir / arg.partition("::")[0] for arg in config.args)
    return any(place.resolve() in (config.rootpath, config.rootpath / FILE) for place in places)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells another process whether it gets modules whole."""
    node.workerinput["checks_together"] = together(node.config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares out the checks module by module and everything else one by one; None leaves it to pytest-xdist."""
    if not together(config):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            parts = nodeid.split("::")
            return "::".join(parts[:2]) if parts[0] == FILE else nodeid

    return ByModule(config, log)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The checks of the course whose file lies in the root of the tests."""
    if file_path.name != FILE or parent.config.getoption("--no-checks"):
        return None
    if file_path.parent != parent.config.rootpath:
        return None  # an example's, or that of a course inside of this one
    return Checks.from_parent(parent, path=file_path)


class Checks(pytest.File):
    """The modules of one course, each graded at most once in a run."""

    course: Course

    def collect(self) -> Iterable[pytest.Collector]:
        """The modules that are wanted."""
        from grader.course import load_course
        from grader.errors import GraderError

        try:
            self.course = load_course(self.path.parent)
            for module in wanted(self.config, self.course):
                checks = tuple(self.checks_of(module))
                yield ModuleChecks.from_parent(self, name=module, checks=checks)
        except GraderError as error:
            raise self.CollectError(str(error)) from None

    def checks_of(self, module: str) -> Iterator[Check]:
        """The checks of a module."""
        yield from self.ready(module).assignment.checks

    def ready(self, module: str) -> Module:
        """The module with its banks, read once."""
        known: dict[str, Module] = self.__dict__.setdefault("_ready", {})
        if module not in known:
            from grader import bank, pack

            packed = self.course.pack(module) is not None
            known[module] = (
                pack.ready(self.course, module) if packed else bank.load(self.course, module)
            )
        return known[module]

    def verdict(self, item: CheckItem) -> Verdict | None:
        """The verdict of a check; None where it cannot be asked without the reference. The first one that is wanted
        of a module has all of those graded that were chosen. One of several processes (pytest-xdist) that may have
        been given a part of them alone grades one by one."""
        known: dict[str, Verdict | None] = self.__dict__.setdefault("_verdicts", {})
        key = f"{item.module_name}/{item.check.key}"
        if key not in known:
            given = getattr(self.config, "workerinput", {"checks_together": True})
            alone = not given.get("checks_together")
            chosen = [
                other.check.key
                for other in self.session.items
                if isinstance(other, CheckItem) and other.module_name == item.module_name
            ]
            report = self.graded(item.module_name, [item.check.key] if alone else chosen)
            known[key] = None
            known |= {f"{item.module_name}/{v.task}/{v.title}": v for v in report.checks}
        return known[key]

    def graded(self, module: str, keys: list[str]) -> Report:
        """The report on what lies in the course's folder, with the checks of these keys."""
        from grader.intake import read_submission
        from grader.judge.grade import grade
        from grader.sandbox.choose import Wanted, choose

        ready = self.ready(module)
        assignment = ready.assignment
        submission = read_submission(self.path.parent, assignment.expects, assignment.also)
        isolation = self.course.settings.isolation
        boxes: dict[str, Sandbox] = self.__dict__.setdefault("_boxes", {})
        if module not in boxes:
            # One of several processes grades many times: its box stays until they are done.
            boxes[module] = choose(
                isolation.sandbox,
                isolation,
                Wanted(preload=assignment.preload, limits=assignment.limits),
            )
            self.config.add_cleanup(boxes[module].close)
        report = grade(ready, submission, boxes[module], seed=self.course.settings.seed, keys=keys)
        if report.score is None:
            # A box that lost a worker for a reason of ours may lose the next one too.
            boxes.pop(module).close()
        return report


class ModuleChecks(pytest.Collector):
    """The checks of one module, by task: what pytest prints of a check can be given to it again, and a part of it
    asks all that begins so (`pytest grader.yaml::module2::2.4`)."""

    def __init__(self, *, checks: tuple[Check, ...], **options: Any) -> None:
        super().__init__(**options)
        self.checks = checks

    def collect(self) -> Iterable[pytest.Collector]:
        """The tasks, in the order of their first checks."""
        for task in dict.fromkeys(check.task for check in self.checks):
            checks = tuple(check for check in self.checks if check.task == task)
            yield TaskChecks.from_parent(self, name=task, module=self.name, checks=checks)


class TaskChecks(pytest.Collector):
    """The checks of one task."""

    def __init__(self, *, module: str, checks: tuple[Check, ...], **options: Any) -> None:
        super().__init__(**options)
        self.module_name = module
        self.checks = checks

    def collect(self) -> Iterable[pytest.Item]:
        """An item for each check."""
        for check in self.checks:
            item = CheckItem.from_parent(
                self, name=check.title, module=self.module_name, check=check
            )
            item.add_marker(marker(check.task))
            yield item


class CheckItem(pytest.Item):
    """One check of a module. It has no `module`: other plugins take that for the Python module of a test."""

    def __init__(self, *, module: str, check: Check, **options: Any) -> None:
        super().__init__(**options)
        self.module_name = module
        self.check = check

    def runtest(self) -> None:
        """Raises NotPassed where the check did not pass; skips what was not asked or is held."""
        from grader.errors import GraderError
        from grader.model import Outcome

        checks = self.getparent(Checks)
        assert checks is not None
        try:
            verdict = checks.verdict(self)
        except GraderError as error:
            pytest.fail(str(error), pytrace=False)
        if verdict is None:
            pytest.skip("not asked here: it takes the reference, to be timed beside")
        if verdict.outcome is Outcome.BLOCKED:
            pytest.skip(verdict.reason)
        if verdict.outcome is Outcome.HELD:
            pytest.skip(f"not graded, through no fault of yours: {verdict.reason}")
        if verdict.outcome is not Outcome.PASSED:
            raise NotPassed(verdict)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What `grade` would tell of the check."""
        if isinstance(excinfo.value, NotPassed):
            from grader.report.terminal import render_verdict

            return render_verdict(excinfo.value.verdict)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The check's file, no line, and its name."""
        return self.path, None, f"{self.module_name} task {self.check.task}: {self.check.title}"
