"""The template: taking solutions out, and the template that is committed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.template import Region, TemplateError, check, generate, regions, strip

from .subjects import REFERENCE, TEMPLATE, load, load_tests


def source(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


KEY = source(
    '''
    import math

    # begin solution 1.2
    def helper(x):
        return x


    # end solution


    class Mul:
        """Multiplication."""

        @staticmethod
        def forward(ctx, a, b):
            """Multiply a and b.

            A second paragraph.
            """
            checked = a
            # begin solution 1.2
            ctx.save_for_backward(a, b)
            return a * b
            # end solution

        # begin solution 1.4
        def invented(self):
            return 1

        # end solution

        given = 1


    def outer():
        """Outer."""

        def inner():
            """Inner, with a "quoted" word."""
            # begin solution 2.3
            return 1
            # end solution

        return inner
    '''
)
STRIPPED = source(
    '''
    import math


    class Mul:
        """Multiplication."""

        @staticmethod
        def forward(ctx, a, b):
            """Multiply a and b.

            A second paragraph.
            """
            checked = a
            raise NotImplementedError("Task 1.2: Multiply a and b.")

        given = 1


    def outer():
        """Outer."""

        def inner():
            """Inner, with a "quoted" word."""
            raise NotImplementedError('Task 2.3: Inner, with a "quoted" word.')

        return inner
    '''
)


def test_solutions_give_way_to_the_task_or_to_nothing() -> None:
    assert strip(KEY, "key.py") == STRIPPED


def test_a_source_without_solutions_stays_as_it_is() -> None:
    assert strip(STRIPPED, "key.py") == STRIPPED


def test_a_solution_at_either_end_of_a_file_leaves_no_blank_lines() -> None:
    helper = "# begin solution 1.2\ny = 2\n# end solution\n"
    assert strip("x = 1\n\n\n" + helper, "key.py") == "x = 1\n"
    assert strip(helper + "\n\nx = 1\n", "key.py") == "x = 1\n"


def test_regions_tell_task_place_and_function() -> None:
    assert regions(KEY, "key.py") == [
        Region("1.2", 3, 8, None, ""),
        Region("1.2", 21, 24, "Mul.forward", "Multiply a and b."),
        Region("1.4", 26, 30, None, ""),
        Region("2.3", 40, 42, "outer.inner", 'Inner, with a "quoted" word.'),
    ]


def test_a_long_statement_is_broken_as_a_formatter_would() -> None:
    summary = "Do " + "something long " * 5 + "to the end."
    text = (
        f'def f():\n    """{summary}"""\n    # begin solution 1.1\n    pass\n    # end solution\n'
    )
    assert strip(text, "key.py").splitlines()[2:] == [
        "    raise NotImplementedError(",
        f'        "Task 1.1: {summary}"',
        "    )",
    ]


def test_backslashes_of_a_formula_survive() -> None:
    text = source(
        r'''
        def f():
            r"""Take the $\sigma$."""
            # begin solution 1.1
            pass
            # end solution
        '''
    )
    namespace: dict[str, Any] = {}
    exec(strip(text, "key.py"), namespace)
    with pytest.raises(NotImplementedError) as caught:
        namespace["f"]()
    assert str(caught.value) == r"Task 1.1: Take the $\sigma$."


def test_the_words_of_a_marker_inside_a_string_are_no_marker() -> None:
    text = 'note = """\n# begin solution 1.1\n"""\n'
    assert strip(text, "key.py") == text


MISTAKES: dict[str, tuple[str, str]] = {
    "never ends": (
        """
        # begin solution 1.1
        x = 1
        """,
        "key.py, line 1: a solution begins that never ends",
    ),
    "never began": (
        """
        x = 1
        # end solution
        """,
        "key.py, line 2: a solution ends that never began",
    ),
    "nested": (
        """
        # begin solution 1.1
        x = 1
        # begin solution 1.2
        # end solution
        # end solution
        """,
        "key.py, line 3: a solution begins inside that of line 1",
    ),
    "no task": (
        """
        # begin solution
        x = 1
        # end solution
        """,
        "key.py, line 1: '# begin solution' is no marker",
    ),
    "misspelled": (
        """
        # begin solution 1.1
        x = 1
        # End  Solution
        """,
        "key.py, line 3: '# End  Solution' is no marker",
    ),
    "beside code": (
        """
        x = 1  # begin solution 1.1
        # end solution
        """,
        "key.py, line 1: a marker stands on a line of its own",
    ),
    "indented differently": (
        '''
        def f():
            """F."""
            # begin solution 1.1
            return 1
        # end solution
        ''',
        "key.py, line 5: the markers of a solution are indented alike, see line 3",
    ),
    "empty": (
        '''
        def f():
            """F."""
            # begin solution 1.1

            # end solution
        ''',
        "key.py, line 3: the solution is empty",
    ),
    "leaves its function": (
        '''
        class A:
            def f(self):
                """F."""
                # begin solution 1.1
                return 1

            x = 2
                # end solution
        ''',
        "key.py, line 4: the solution leaves the function A.f",
    ),
    "ends inside a function": (
        """
        # begin solution 1.1
        def f():
            x = 1
        # end solution
            return x
        """,
        "key.py, line 1: the solution ends inside a function it began outside of",
    ),
    "no docstring": (
        """
        def f():
            # begin solution 1.1
            return 1
            # end solution
        """,
        "key.py, line 2: f has no docstring to name the task",
    ),
    "no Python": ("def f(:\n", "key.py, line 1: "),
    "no Python left": (
        """
        class A:
            # begin solution 1.1
            x = 1
            # end solution
        """,
        "key.py without its solutions, line ",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_markers_is_named_with_file_and_line(mistake: str) -> None:
    text, message = MISTAKES[mistake]
    with pytest.raises(TemplateError) as caught:
        strip(source(text), "key.py")
    assert str(caught.value).startswith(message)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A small answer key: a package with a data file, a cache and a hidden file."""
    root = tmp_path / "key"
    (root / "package" / "__pycache__").mkdir(parents=True)
    (root / "package" / "mul.py").write_text(KEY, encoding="utf-8")
    (root / "package" / "__pycache__" / "mul.pyc").write_bytes(b"\0")
    (root / "package" / "numbers.csv").write_bytes(b"# begin solution\r\n1,2\r\n")
    (root / ".hidden").write_text("x")
    return root


def write(files: dict[str, bytes], root: Path) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_generate_strips_python_and_copies_the_rest(key: Path) -> None:
    assert generate(key) == {
        "package/mul.py": STRIPPED.encode(),
        "package/numbers.csv": b"# begin solution\r\n1,2\r\n",
    }


def test_generate_from_a_folder_without_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no Python file"):
        generate(tmp_path)


def test_check_finds_nothing_after_generate(key: Path, tmp_path: Path) -> None:
    assert check(key, write(generate(key), tmp_path / "template")) == []


def test_check_names_what_is_missing_extra_and_different(key: Path, tmp_path: Path) -> None:
    template = write(generate(key), tmp_path / "template")
    (template / "package" / "numbers.csv").unlink()
    (template / "old.py").write_text("")
    mul = template / "package" / "mul.py"
    mul.write_text(mul.read_text().replace("given = 1", "given = 2"))
    assert check(key, template) == [
        "old.py is extra: the answer key has no such file",
        "package/mul.py differs at line 16",
        "package/numbers.csv is missing",
    ]


def test_check_notices_lines_that_were_cut_off(key: Path, tmp_path: Path) -> None:
    template = write(generate(key), tmp_path / "template")
    mul = template / "package" / "mul.py"
    mul.write_text("import math\n")
    assert check(key, template)[0] == "package/mul.py differs at line 2"


def test_check_of_a_template_that_does_not_exist(key: Path, tmp_path: Path) -> None:
    assert check(key, tmp_path / "nowhere") == [
        "package/mul.py is missing",
        "package/numbers.csv is missing",
    ]


# The real one.


def test_the_committed_template_is_the_one_that_the_key_yields() -> None:
    assert check(REFERENCE, TEMPLATE) == []


def test_no_marker_and_no_solution_is_left_in_the_committed_template() -> None:
    for path in TEMPLATE.rglob("*.py"):
        assert "begin solution" not in path.read_text(encoding="utf-8"), path
    scalar = (TEMPLATE / "minitorch" / "scalar_functions.py").read_text(encoding="utf-8")
    assert "inv_back" not in scalar


def test_the_template_imports_in_a_fresh_python(tmp_path: Path) -> None:
    copy = shutil.copytree(TEMPLATE, tmp_path / "work")
    subprocess.run(
        [sys.executable, "-W", "error", "-c", "import minitorch, warmup"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        check=True,
    )


def test_the_template_has_every_public_name_of_the_key() -> None:
    key = load("key_minitorch_names", REFERENCE / "minitorch")
    template = load("template_minitorch_names", TEMPLATE / "minitorch")
    invented = {"row_by_row", "count_cells", "new_index"}
    missing = {name for name in vars(key) if not name.startswith("_")} - set(vars(template))
    assert missing == invented


mt = load("template_minitorch", TEMPLATE / "minitorch")
wu = load("template_warmup", TEMPLATE / "warmup.py")
own = load_tests("template_tests", TEMPLATE / "tests", mt)
sf = mt.scalar_functions
fast = mt.fast_ops
gpu = mt.cuda_ops
SCALAR_ONE = ["Inv", "Neg", "Sigmoid", "ReLU", "Exp"]
SCALAR_TWO = ["Mul", "LT", "EQ"]
TENSOR_ONE = ["Sigmoid", "ReLU", "Log", "Exp"]
TENSOR_TWO = ["Mul", "LT", "EQ"]


def scalars() -> list[Any]:
    return [mt.Scalar(1.0), mt.Scalar(2.0)]


def tensors() -> list[Any]:
    return [mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor([3.0, 4.0], requires_grad=True)]


def kernel(dims: int) -> list[Any]:
    """Arguments of a convolution of one cell by one weight."""
    triple = [[0.0], [1] * (dims + 2), [1] * (dims + 2)]
    return [*triple, 1, *triple, *triple, False]


BLANKS: dict[str, tuple[str, Callable[[], Any]]] = {
    **{f"operators.{n}": ("0.1", lambda n=n: getattr(mt.operators, n)(1.0)) for n in
       ["id", "neg", "sigmoid", "relu", "log", "exp", "inv"]},
    **{f"operators.{n}": ("0.1", lambda n=n: getattr(mt.operators, n)(1.0, 2.0)) for n in
       ["mul", "add", "lt", "eq", "max", "is_close", "log_back", "inv_back", "relu_back"]},
    **{f"operators.{n}": ("0.3", lambda n=n: getattr(mt.operators, n)([1.0])) for n in
       ["negList", "sum", "prod"]},
    "operators.addLists": ("0.3", lambda: mt.operators.addLists([1.0], [2.0])),
    "operators.map": ("0.3", lambda: mt.operators.map(abs)),
    "operators.zipWith": ("0.3", lambda: mt.operators.zipWith(max)),
    "operators.reduce": ("0.3", lambda: mt.operators.reduce(max, 0.0)),
    **{f"test_{n}": ("0.2", lambda n=n, k=count: getattr(own, f"test_{n}").hypothesis.inner_test(*k * [1.0]))
       for n, count in {"sigmoid": 2, "transitive": 3, "symmetric": 2, "distribute": 3, "other": 1}.items()},
    "test_sum_distribute": (
        "0.3", lambda: own.test_sum_distribute.hypothesis.inner_test([1.0], [2.0])
    ),
    **{f"Module.{n}": ("0.4", lambda n=n: getattr(mt.Module(), n)()) for n in
       ["train", "eval", "named_parameters", "parameters"]},
    "central_difference": ("1.1", lambda: mt.central_difference(abs, 1.0)),
    **{f"scalar {n}": ("1.2", lambda n=n: getattr(sf, n).apply(1.0)) for n in SCALAR_ONE},
    **{f"scalar {n}": ("1.2", lambda n=n: getattr(sf, n).apply(1.0, 2.0)) for n in SCALAR_TWO},
    **{f"scalar {n} back": ("1.4", lambda n=n: getattr(sf, n).backward(mt.Context(), 1.0)) for n in
       SCALAR_ONE + SCALAR_TWO},
    "scalar Add": ("0.1", lambda: sf.Add.apply(1.0, 2.0)),
    "scalar Log": ("0.1", lambda: sf.Log.apply(1.0)),
    **{f"Scalar.{n}": ("1.2", lambda n=n: getattr(mt.Scalar, n)(*scalars())) for n in
       ["__add__", "__radd__", "__sub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__lt__", "__gt__", "__eq__"]},
    **{f"Scalar.{n}": ("1.2", lambda n=n: getattr(mt.Scalar(1.0), n)()) for n in
       ["__neg__", "log", "exp", "sigmoid", "relu"]},
    "Scalar.chain_rule": ("1.3", lambda: mt.Scalar(1.0).chain_rule(1.0)),
    "Scalar.backward": ("1.4", lambda: mt.Scalar(1.0).backward()),
    "topological_sort": ("1.4", lambda: mt.topological_sort(mt.Scalar(1.0))),
    "backpropagate": ("1.4", lambda: mt.backpropagate(mt.Scalar(1.0), 1.0)),
    "index_to_position": ("2.1", lambda: mt.index_to_position([1], [1])),
    "to_index": ("2.1", lambda: mt.to_index(0, [1], [0])),
    "TensorData.permute": ("2.1", lambda: tensors()[0]._tensor.permute(0)),
    "Tensor.__getitem__": ("2.1", lambda: tensors()[0][0]),
    "Tensor.item": ("2.1", lambda: mt.tensor([1.0]).item()),
    "Tensor.view": ("2.1", lambda: tensors()[0].view(2, 1)),
    "broadcast_index": ("2.2", lambda: mt.broadcast_index([0], [1], [1], [0])),
    "shape_broadcast": ("2.2", lambda: mt.shape_broadcast((1,), (2,))),
    "tensor_map": ("2.3", lambda: mt.tensor_map(abs)(*tensors()[0].tuple(), *tensors()[0].tuple())),
    "tensor_zip": ("2.3", lambda: mt.tensor_zip(max)(*3 * tensors()[0].tuple())),
    "tensor_reduce": ("2.3", lambda: mt.tensor_reduce(max)(*2 * tensors()[0].tuple(), 0)),
    **{f"tensor {n}": ("2.3", lambda n=n: getattr(mt, n).apply(tensors()[0])) for n in
       [*TENSOR_ONE, "Neg", "Inv", "Copy"]},
    **{f"tensor {n}": ("2.3", lambda n=n: getattr(mt, n).apply(*tensors())) for n in
       [*TENSOR_TWO, "Add", "IsClose"]},
    "tensor Permute": ("2.3", lambda: tensors()[0].permute(0)),
    **{f"tensor {n} back": ("2.4", lambda n=n: getattr(mt, n).backward(mt.Context(), tensors()[0]))
       for n in [*TENSOR_ONE, *TENSOR_TWO, "Permute"]},
    "Tensor.sum": ("2.3", lambda: tensors()[0].sum()),
    "Tensor.mean": ("2.3", lambda: tensors()[0].mean()),
    "Tensor.all": ("2.3", lambda: tensors()[0].all()),
    "Tensor.sum(0)": ("2.1", lambda: tensors()[0].sum(0)),
    # Uncompiled, which is quicker and says the same.
    "fast tensor_map": ("3.1", lambda: fast.tensor_map(abs).py_func(*2 * tensors()[0].tuple())),
    "fast tensor_zip": ("3.1", lambda: fast.tensor_zip(max).py_func(*3 * tensors()[0].tuple())),
    "fast tensor_reduce": (
        "3.1", lambda: fast.tensor_reduce(max).py_func(*2 * tensors()[0].tuple(), 0)
    ),
    "tensor_matrix_multiply": (
        "3.2", lambda: fast._tensor_matrix_multiply(*3 * tensors()[0].tuple())
    ),
    "CUDA tensor_map": ("3.3", lambda: gpu.tensor_map(abs).py_func(*range(7))),
    "CUDA tensor_zip": ("3.3", lambda: gpu.tensor_zip(max).py_func(*range(10))),
    "CUDA tensor_reduce": ("3.3", lambda: gpu.tensor_reduce(max).py_func(*range(9))),
    "sum_practice": ("3.3", lambda: gpu._sum_practice(*range(3))),
    "mm_practice": ("3.4", lambda: gpu._mm_practice(*range(4))),
    "CUDA tensor_matrix_multiply": ("3.4", lambda: gpu._tensor_matrix_multiply(*range(10))),
    **{f"tensor_conv{n}d": (task, lambda n=n: getattr(mt.fast_conv, f"_tensor_conv{n}d")(*kernel(n)))
       for n, task in [(1, "4.1"), (2, "4.2")]},
    "tile": ("4.3", lambda: mt.tile(mt.Tensor.make([1.0], (1, 1, 1, 1), backend=mt.SimpleBackend), (1, 1))),
    "avgpool2d": ("4.3", lambda: mt.avgpool2d(tensors()[0], (1, 1))),
    **{n: ("4.4", lambda n=n: getattr(mt, n)(tensors()[0], 0)) for n in
       ["argmax", "max", "softmax", "logsoftmax", "maxpool2d", "dropout"]},
    "Max": ("4.4", lambda: mt.Max.forward(mt.Context(), *tensors())),
    "Max back": ("4.4", lambda: mt.Max.backward(mt.Context(), tensors()[0])),
    "derivative": ("derivative", lambda: wu.derivative(abs)),
    **{f"warmup {n}": ("functions", lambda n=n: getattr(wu, n).forward(wu.Context(), 1.0)) for n in
       ["Neg", "Sin", "TimesFive", "Square"]},
    **{f"warmup {n}": ("functions", lambda n=n: getattr(wu, n).forward(wu.Context(), 1.0, 2.0))
       for n in ["Mul", "AddTimes2"]},
    **{f"warmup {n} back": ("functions", lambda n=n: getattr(wu, n).backward(wu.Context(), 1.0))
       for n in ["Neg", "Sin", "TimesFive", "Square", "Mul", "AddTimes2"]},
    "G.forward": ("jacobian", lambda: wu.G.forward(wu.Context(), 1.0, 2.0)),
    "G.jacobian": ("jacobian", lambda: wu.G.jacobian(1.0, 2.0)),
    "G.backward": ("jacobian", lambda: wu.G.backward(wu.Context(), 1.0, 2.0)),
    "logistic_loss": ("loss", lambda: wu.logistic_loss(1.0, 2.0, 3.0, 4.0, 5.0)),
    "logistic_loss_gradient": (
        "loss", lambda: wu.logistic_loss_gradient(1.0, 2.0, 3.0, 4.0, 5.0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BLANKS)
def test_a_blank_says_which_task_it_belongs_to(name: str) -> None:
    task, call = BLANKS[name]
    with pytest.raises(NotImplementedError) as caught:
        call()
    assert str(caught.value).startswith(f"Task {task}: ")


def test_the_table_of_blanks_has_every_task_of_the_key() -> None:
    tasks = {
        region.task
        for path in REFERENCE.rglob("*.py")
        for region in regions(path.read_text(encoding="utf-8"), path.name)
    }
    assert {task for task, _ in BLANKS.values()} == tasks
