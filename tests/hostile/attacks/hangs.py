"""Time, memory, processes and space that are used up."""

from __future__ import annotations

from hostile.attack import HONEST, attack, whole

LOOP = "until = time.monotonic() + 15\nwhile time.monotonic() < until: sum(range(1000))"
STUBBORN = """
until = time.monotonic() + 15
while time.monotonic() < until:
    try:
        while time.monotonic() < until: sum(range(1000))
    except BaseException:
        pass
"""

ATTACKS = [
    attack("sleeps", "waits without using the processor", "time.sleep(15)", "timed_out"),
    attack("loops", "uses the processor without end", LOOP, "timed_out"),
    attack("loops and catches everything", "survives the interruption", STUBBORN, "timed_out"),
    attack(
        "masks its signals",
        "blocks the signal of the time limit",
        f"signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n{LOOP}",
        "timed_out",
    ),
    attack(
        "ignores the alarm",
        "takes the handler of the time limit away",
        f"signal.signal(signal.SIGPROF, signal.SIG_IGN)\n{LOOP}",
        "timed_out",
    ),
    attack(
        "answers the alarm itself",
        "puts a handler of its own in place of the worker's",
        f"signal.signal(signal.SIGPROF, lambda *a: None)\n{LOOP}\nreturn honest(ctx, d)",
        "timed_out",
    ),
    attack(
        "stops the clock",
        "switches the timer off",
        f"signal.setitimer(signal.ITIMER_PROF, 0)\n{LOOP}",
        "timed_out",
    ),
    attack(
        "disarms the clock",
        "rewrites the worker's own limit",
        f"worker()[0].clock.armed = False\n{LOOP}",
        "timed_out",
    ),
    attack(
        "waits for a lock",
        "waits for what nobody gives",
        "threading.Event().wait(15)",
        "timed_out",
    ),
    attack(
        "loops in C",
        "computes where no signal is looked at",
        "return 7 ** (7 ** 9)",
        "timed_out", "raised",
    ),
    attack(
        "naps",
        "sleeps in steps that are too short to be called idle",
        "until = time.monotonic() + 15\nwhile time.monotonic() < until:\n    time.sleep(0.3)\n    sum(range(200_000))",
        "timed_out",
    ),
    attack(
        "keeps the interpreter",
        "starts threads that never let another one run",
        """
        sys.setswitchinterval(1e6)
        def spin():
            until = time.monotonic() + 15
            while time.monotonic() < until: pass
        for _ in range(8): threading.Thread(target=spin, daemon=True).start()
        return honest(ctx, d)
        """,
        "timed_out",
    ),
    attack(
        "a thread that nobody joins",
        "leaves a thread that keeps the process from ending",
        "if once(): threading.Thread(target=time.sleep, args=(15,)).start()\nreturn honest(ctx, d)",
        "passed",
    ),
    attack(
        "a bomb of processes",
        "forks until nothing more can be made",
        """
        for _ in range(30):
            if not os.fork():
                time.sleep(4)
                os._exit(0)
        return 0.0, 0.0
        """,
        "raised", "failed", "crashed", "timed_out",
    ),
    attack(
        "a bomb of threads",
        "starts threads until nothing more can be made",
        "for _ in range(400): threading.Thread(target=time.sleep, args=(4,), daemon=True).start()\nreturn 0.0, 0.0",
        "raised", "failed", "crashed",
    ),
    attack(
        "a bomb of memory",
        "takes memory in pieces",
        "hoard = [bytearray(64 << 20) for _ in range(25)]\nreturn float(len(hoard)), 0.0",
        "raised", "crashed", "timed_out",
    ),
    attack(
        "memory at once",
        "asks for more memory than there is",
        "return [0.0] * (1 << 40)",
        "raised",
    ),
    attack(
        "a full disk",
        "writes until there is no room",
        """
        with open('big', 'wb') as file:
            os.unlink('big')
            for _ in range(100): file.write(bytes(1 << 20))
        return 0.0, 0.0
        """,
        "raised", "crashed", "failed",
    ),
    attack(
        "every descriptor",
        "opens files until no more can be opened",
        "hoard = [os.open('/dev/null', os.O_RDONLY) for _ in range(70_000)]\nreturn 0.0, 0.0",
        "raised",
    ),
    attack(
        "prints without end",
        "fills whatever reads its output",
        "for _ in range(50): print('x' * 100_000); os.write(1, b'y' * 100_000); os.write(2, b'z' * 100_000)\nreturn 0.0, 0.0",
    ),
    whole("sleeps while it is imported", "waits before anything is asked", "import time\ntime.sleep(15)", "blocked"),
    whole(
        "loops while it is imported",
        "computes before anything is asked",
        f"import time\n{LOOP}\n{HONEST}",
        "blocked", "timed_out",
    ),
    whole(
        "catches the end of its import",
        "goes on after its import was interrupted",
        "import time" + STUBBORN + HONEST,
        "blocked",
    ),
]  # fmt: skip
