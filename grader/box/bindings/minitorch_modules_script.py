"""Writes what the methods of the `minitorch_modules` binding do as lines of Python for a student to paste."""

from __future__ import annotations

from typing import Any

from grader.box.bindings import minitorch_script
from grader.box.bindings.plain import literal

AS_WRITTEN = "  # or however you wrote it to be called"


class Script(minitorch_script.Script):
    """See the module's docstring."""

    def called(self, path: str, arguments: str, *, whole: bool) -> None:
        short = self.take(path)
        call = f"{short}{arguments}"
        self.lines.append(f"print({call if whole else f'list({call})'}){AS_WRITTEN}")

    def mapped(self, path: str, function: Any, values: list[float]) -> None:
        self.called(path, f"({literal(function)})({literal(values)})", whole=False)

    def zipped(self, path: str, function: Any, first: list[float], second: list[float]) -> None:
        lists = f"{literal(first)}, {literal(second)}"
        self.called(path, f"({literal(function)})({lists})", whole=False)

    def folded(self, path: str, function: Any, start: float, values: list[float]) -> None:
        arguments = f"({literal(function)}, {literal(start)})({literal(values)})"
        self.called(path, arguments, whole=True)

    def folded_each(self, path: str, function: Any, start: float, lists: list[list[float]]) -> None:
        short = self.take(path)
        self.lines.append(f"fold = {short}({literal(function)}, {literal(start)}){AS_WRITTEN}")
        self.lines.append(f"print([fold(ls) for ls in {literal(lists)}])")

    # Trees of modules

    def tree(self, spec: dict[str, Any], name: str = "root") -> list[str]:
        """The lines that build a tree; returns the names of its nodes."""
        self.imported("minitorch.module", "Module")
        self.lines.append(f"{name} = Module()")
        for place, (parameter, value) in enumerate(spec["parameters"].items()):
            if place % 2:
                self.lines.append(f"{name}.add_parameter({parameter!r}, {value!r})")
            else:
                self.imported("minitorch.module", "Parameter")
                self.lines.append(f"{name}.{parameter} = Parameter({value!r})")
        names = [name]
        for child, below in spec["children"].items():
            short = child if name == "root" else f"{name}_{child}"
            names += self.tree(below, short)
            self.lines.append(f"{name}.{child} = {short}")
        return names

    def named_parameters(self, spec: dict[str, Any]) -> None:
        self.tree(spec)
        self.lines.append("print(list(root.named_parameters()))")

    def named_again(self, spec: dict[str, Any], name: str, value: float) -> None:
        self.imported("minitorch.module", "Parameter")
        self.tree(spec)
        self.lines.append("_ = [list(root.named_parameters()) for _ in range(2)]")
        self.lines.append(f"root.{name} = Parameter({value!r})")
        self.lines.append("print(list(root.named_parameters()))")

    def parameters(self, spec: dict[str, Any]) -> None:
        self.tree(spec)
        self.lines.append("print(list(root.parameters()))")

    def updated(self, spec: dict[str, Any], step: float) -> None:
        self.tree(spec)
        self.lines.append("all_of_them = list(root.parameters())")
        self.lines.append(
            f"_ = [parameter.update(parameter.value + {step!r}) for parameter in all_of_them]"
        )
        self.lines.append("print(list(root.named_parameters()))")

    def modes(self, spec: dict[str, Any], steps: list[list[str]]) -> None:
        names = self.tree(spec)
        for path, method in steps:
            short = "root" if path == "(root)" else path.replace(".", "_")
            self.lines.append(f"{short}.{method}()")
        self.lines.append(f"print({', '.join(f'{name}.training' for name in names)})")

    # The student's own tests

    def tests(self) -> None:
        line = "import tests.test_operators as tests"
        if line not in self.lines:
            self.lines.insert(0, line)

    def passes(self, test: str, alternatives: Any) -> None:
        self.tests()
        self.lines.append(f"tests.{test}()  # passes on right operators")

    def notices(
        self, test: str, alternatives: Any, name: str = "", text: str = "", right: Any = ()
    ) -> bool:
        self.imported("minitorch", "operators")
        if name and text:
            # Before the tests import it, under whatever name, and only if they do.
            self.lines.append(f"operators.{name} = {text}")
        self.lines.append("import tests.test_operators as tests")
        self.lines.append(f"tests.{test}()  # has to fail if that is wrong")
        return True  # so that a question need not try another one

    def operators_called(self, test: str, alternatives: Any) -> None:
        self.tests()
        self.lines.append(f"tests.{test}()  # fails if an operator that it calls is wrong")
