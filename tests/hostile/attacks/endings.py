"""Ways to end a call, or the process, that are no answers; and exceptions that lie about themselves."""

from __future__ import annotations

from hostile.attack import attack, whole

ATTACKS = [
    attack("exit with status 0", "leaves as if all had gone well", "os._exit(0)", "crashed"),
    attack("abort", "ends with a core dump", "os.abort()", "crashed"),
    attack("a null pointer", "ends by a fault of memory", "ctypes.string_at(0)", "crashed"),
    attack("kills itself", "ends by a signal that cannot be caught", "os.kill(os.getpid(), 9)\nraise ValueError", "crashed", "raised"),
    attack("stops itself", "stands still without ending", "os.kill(os.getpid(), 19)\ntime.sleep(15)", "timed_out", "crashed"),
    attack(
        "exit in a destructor",
        "ends the process when its answer is thrown away",
        "class Last(float):\n    def __del__(self): os._exit(0)\nreturn Last(1.0), Last(2.0)",
        "crashed",
    ),
    attack(
        "exit by a timer",
        "ends the process while the next question is asked",
        "if once(): threading.Timer(0.02, os._exit, [0]).start()\nreturn honest(ctx, d)",
        "passed", "crashed",
    ),
    attack("sys.exit", "leaves politely", "sys.exit(0)", "raised"),
    attack("a text for an exit status", "leaves with a message", "raise SystemExit('100 of 100')", "raised"),
    attack("an interrupt", "pretends that somebody pressed Ctrl-C", "raise KeyboardInterrupt", "raised"),
    attack("the end of a generator", "raises what ends generators", "raise GeneratorExit", "raised"),
    attack("the end of an iteration", "raises what ends loops", "raise StopIteration(honest(ctx, d))", "raised"),
    attack("an exception of no kind", "derives from the base of all", "raise type('Odd', (BaseException,), {})('odd')", "raised"),
    attack("out of memory by hand", "claims that memory ran out", "raise MemoryError", "raised"),
    attack("without end in itself", "calls itself until the stack is full", "return attack(ctx, d)", "raised", "crashed"),
    attack("claims to be unfinished", "raises what a template raises", "raise NotImplementedError", "unimplemented"),
    attack(
        "speaks as the worker",
        "raises the worker's own words for what is no fault of the student's",
        "from grader.box.faults import Blocked\nraise Blocked('the grader is broken')",
        "blocked",
    ),
    attack(
        "claims that time ran out",
        "raises the worker's own time limit",
        "from grader.box.faults import TimeLimit\nraise TimeLimit",
        "timed_out",
    ),
    attack(
        "a class that is another one",
        "answers isinstance with a lie",
        "class Lie(Exception):\n    @property\n    def __class__(self): return NotImplementedError\nraise Lie('odd')",
        "raised", "unimplemented",
    ),
    attack(
        "a text that is no text",
        "gives a message that raises when it is cut",
        """
        class Text(str):
            def __getitem__(self, key): raise KeyboardInterrupt
            def __len__(self): raise SystemExit
            def __iter__(self): raise GeneratorExit
        class Odd(Exception):
            def __str__(self): return Text('odd')
        raise Odd
        """,
        "raised",
    ),
    attack(
        "a name that is no text",
        "gives its class a name that raises when it is read",
        """
        class Name(str):
            def __str__(self): raise KeyboardInterrupt
            __getitem__ = __len__ = __iter__ = __format__ = __str__
        raise type(Name('Odd'), (Exception,), {})('odd')
        """,
        "raised",
    ),
    attack(
        "a trace that raises",
        "gives a traceback that cannot be walked",
        """
        class Odd(Exception):
            @property
            def __traceback__(self): raise KeyboardInterrupt
        raise Odd('odd')
        """,
        "raised",
    ),
    attack(
        "a trace that never ends",
        "gives a traceback that leads to itself",
        """
        class Step:
            tb_frame = sys._getframe()
            tb_lineno = 1
            @property
            def tb_next(self): return self
        class Odd(Exception):
            __traceback__ = property(lambda self: Step())
        raise Odd('odd')
        """,
        "raised",
    ),
    attack(
        "a syntax error that raises",
        "gives an exception whose parts, which are read one by one, raise",
        """
        class Odd(SyntaxError):
            msg = property(lambda self: os._exit(0))
            @property
            def filename(self): raise KeyboardInterrupt
        raise Odd('odd')
        """,
        "raised",
    ),
    attack(
        "a syntax error without a message",
        "gives an exception whose message raises",
        "class Odd(SyntaxError):\n    @property\n    def msg(self): raise KeyboardInterrupt\nraise Odd('odd')",
        "raised",
    ),
    attack(
        "an endless message",
        "lets the message itself loop",
        "class Odd(Exception):\n    def __str__(self):\n        while time.sleep(0) is None: pass\nraise Odd",
        "timed_out",
    ),
    attack(
        "a message in itself",
        "lets the message call itself",
        "class Odd(Exception):\n    def __str__(self): return str(self)\n    __repr__ = __str__\nraise Odd",
        "raised",
    ),
    attack(
        "a message of 20 MB",
        "fills the report",
        "class Odd(Exception):\n    def __str__(self): return TEXT if once() else 'odd'\nraise Odd",
        "raised",
        top="TEXT = 'B' * (20 << 20)",
    ),
    attack(
        "a nested group of exceptions",
        "makes whoever prints it recurse",
        "error = ValueError('odd')\nfor _ in range(300): error = ExceptionGroup('g', [error])\nraise error",
        "raised",
    ),
    attack(
        "a circle of causes",
        "makes whoever follows causes go round",
        "a, b = ValueError('a'), ValueError('b')\na.__cause__, b.__cause__ = b, a\na.__context__, b.__context__ = b, a\nraise a",
        "raised",
    ),
    attack(
        "a hook for what is raised",
        "replaces the hooks that Python calls for exceptions",
        "sys.excepthook = threading.excepthook = sys.unraisablehook = lambda *a: os._exit(0)\nraise ValueError('odd')",
        "raised",
    ),
    attack(
        "an exception as an answer",
        "returns what it should raise",
        "return ValueError('odd')",
    ),
    attack(
        "the worker's exception as an answer",
        "returns the worker's own record of an exception",
        "from grader.box.wire import Raised\nreturn Raised('E', 'm', (), 'passed')",
        "raised", "failed",
    ),
    attack(
        "the worker's type as an answer",
        "returns the worker's own record of a value that cannot travel",
        "from grader.box.wire import Opaque\nreturn Opaque(7)",
        "failed", "crashed", "raised",
    ),
    whole(
        "ends while it is imported",
        "writes a result and leaves before anything is asked",
        """
        import json, os
        for name in ("results.json", "report.json"):
            with open(name, "w") as file:
                json.dump({"score": 100, "tests": [{"score": 100, "max_score": 100, "status": "passed"}]}, file)
        os._exit(0)
        """,
        "blocked",
    ),
    whole(
        "leaves politely while it is imported",
        "calls exit at the top",
        "import sys\nsys.exit(0)",
        "blocked", "unimplemented",
    ),
    whole(
        "an interrupt while it is imported",
        "raises what is no ordinary exception at the top",
        "raise KeyboardInterrupt",
        "blocked", "unimplemented",
    ),
]  # fmt: skip
