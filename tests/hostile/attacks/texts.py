"""Words that could upset a reader: a terminal, a page, a sheet of numbers, or whoever writes the file."""

from __future__ import annotations

from hostile.attack import attack, whole

WORDS = {
    "colours and a cleared screen": r"'\x1b[2J\x1b[31mPASSED\x1b[0m\x1b]0;title\x07\x9b2J'",
    "a link in the terminal": r"'\x1b]8;;http://127.0.0.1/\x1b\\here\x1b]8;;\x1b\\'",
    "characters that turn the line around": r"'\u202e\u2066 001/001 \u2069\u200f'",
    "halves of characters": r"'\ud800\udfff\x00\uffff\U0010ffff'",
    "backspaces and returns": r"'wrong answer\b\b\b\b\b\rright answer \x08\x7f\x85\u2028\u2029'",
    "letters that cannot be seen": r"'\u200b\ufeff\u00ad\U000e0041\u180e'",
    "a script in the page": "'<script>document.title=1</script><img src=x onerror=alert(1)>'",
    "an end of everything": "''']]></pre></td></table></div></body></html>--><!-- \"' onmouseover=alert(1) x='''",
    "a formula in a sheet": "'=cmd|\\' /C calc\\'!A0'",
    "marks of the console": "'[bold red]100 / 100[/bold red] [link=file:///]x[/link] [/]'",
    "marks of Markdown": "'```\\n# 100 / 100\\n![x](http://127.0.0.1/x.png) | a | b |\\n<details>'",
    "holes of a format": "'%s%n {0} {self.__class__} ${HOME} $(id) `id`'",
    "ten thousand lines": "'\\n' * 10_000",
    "a line of a million letters": "'W' * 1_000_000",
}  # fmt: skip

ATTACKS = [
    attack(f"raises {name}", "puts it into the text of an exception", f"print(WORDS)\nraise ValueError(WORDS)", "raised", top=f"WORDS = {words}\n")  # noqa: F541
    for name, words in WORDS.items()
] + [
    attack(
        "names that are markup",
        "puts markup into the name of a class",
        "raise type('<b>\\x1b[31m\\u202e</b>' * 9, (Exception,), {})('x')",
        "raised",
    ),
    attack(
        "a type that is markup",
        "puts markup into the name of an answer's type",
        "return type('<script>\\x1b[2J', (), {})(), 0.0",
    ),
    attack(
        "text as an answer",
        "puts markup into the answer itself",
        "return '<script>\\x1b[2J\\u202e=1+1', '[/red]' * 5000",
    ),
    attack(
        "keys as an answer",
        "puts markup into the names of an answer's parts",
        "return {'<script>\\x1b[2J\\u202e=1+1' * 99: {'</pre>': [0.0] * 999}}",
    ),
    attack(
        "a function with another name",
        "puts markup into the lines of the traceback",
        """
        def odd(): raise ValueError("odd")
        odd.__code__ = odd.__code__.replace(co_name="<script>\\x1b[2J", co_qualname="<b>")
        odd()
        """,
        "raised",
    ),
    attack(
        "a file with another name",
        "puts markup into the file names of the traceback",
        """
        root = os.path.dirname(os.path.abspath(__file__))
        exec(compile("raise ValueError", root + "/<script>\\x1b[2J/../../x.py", "exec"))
        """,
        "raised",
    ),
    whole(
        "an import that is markup",
        "puts markup into the reason why it cannot be imported",
        "raise ImportError('<script>alert(1)</script>\\x1b[2J\\u202e\\ud800', name='<b>', path='\\x00')",
        "blocked",
    ),
    whole(
        "source that is no text",
        "puts control characters into a line that does not compile",
        'def f(:\\n    "\x1b[2J<script>\u202e"\n',
        "blocked",
    ),
    attack(
        "speaks to the terminal",
        "opens the terminal of whoever grades",
        """
        for name in ("/dev/tty", "/dev/console", "/proc/self/fd/1", "/dev/pts/0"):
            try:
                with open(name, "w") as file: file.write("")
            except OSError:
                pass
        return 0.0, 0.0
        """,
    ),
]  # fmt: skip
