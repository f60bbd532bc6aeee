"""Bytes on the worker's own socket: verdicts, replies, requests and noise."""

from __future__ import annotations

from hostile.attack import attack, whole

ENDED = ("crashed",)

ATTACKS = [
    attack(
        "a verdict on the wire",
        "sends a reply that says that everything passed",
        "put(frame({'d': {'id': worker()[1]['id'], 'passed': True, 'score': 100, 'outcome': 'passed', 'done': True}}))\nreturn 0.0, 0.0",
        "failed", "crashed",
    ),
    attack(
        "answers that somebody made up",
        "sends a whole reply of its own before the worker does, and then the right one",
        "if once(): put(part([[0.0, 0.0]] * len(worker()[1]['cases'])))\nreturn honest(ctx, d)",
        "failed", "crashed",
    ),
    attack(
        "made up answers, then silence",
        "sends a whole reply and then sleeps through the next question",
        "put(part([[0.0, 0.0]] * len(worker()[1]['cases'])))\ntime.sleep(15)",
        "failed", "crashed", "timed_out",
    ),
    attack(
        "a raised answer that calls itself passed",
        "uses the kind of an exception to carry an outcome",
        "put(part([{'r': ['E', 'm', [], 'passed']}] * len(worker()[1]['cases'])))\ntime.sleep(0.2)",
        "raised", "crashed", "failed",
    ),
    attack(
        "an answer that claims to be held",
        "uses the kind of an exception to lose no point",
        "put(part([{'r': ['SandboxLost', 'm', [], 'held']}] * len(worker()[1]['cases'])))\ntime.sleep(0.2)",
        "raised", "crashed", "failed",
    ),
    attack(
        "the id of another question",
        "answers a question that was never asked",
        "put(part([[0.0, 0.0]], identity=12345))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "an id that is an array",
        "makes the comparison of ids raise in the grader",
        "put(frame({'d': {'id': {'a': ['<i8', [2], 0]}, 'done': True}}, bytes(16)))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "a place that is an array",
        "makes the count of answers raise in the grader",
        "put(frame({'d': {'id': worker()[1]['id'], 'first': {'a': ['<i8', [3], 0]}, 'answers': [], 'done': True}}, bytes(24)))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "answers that are an array",
        "sends numbers where frames belong",
        "put(frame({'d': {'id': worker()[1]['id'], 'first': 0, 'answers': {'a': ['<f8', [2], 0]}, 'done': True}}, bytes(16)))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "answers in the wrong order",
        "begins its reply in the middle",
        "put(part([[0.0, 0.0]] * 5, first=7))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "more answers than cases",
        "answers what was not asked",
        "put(part([[0.0, 0.0]] * 5000))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "more answers than cases, and then others",
        "answers what was not asked, and hides that behind a part in the wrong order",
        """
        put(part([[0.0, 0.0]] * (len(worker()[1]["cases"]) + 3), done=False) + part([[0.0, 0.0]], first=1))
        return honest(ctx, d)
        """,
        *ENDED,
    ),
    attack(
        "frames in a frame that are none",
        "sends answers that cannot be read",
        "put(part([b'\\xff' * 40] * len(worker()[1]['cases'])))\ntime.sleep(0.2)",
        *ENDED,
    ),
    attack(
        "an answer that is longer than it says",
        "lies about lengths inside an answer",
        "put(part([struct.pack('>IQ', 3, 2**60) + b'1.0'] * len(worker()[1]['cases'])))\ntime.sleep(0.2)",
        *ENDED,
    ),
    attack(
        "times that are no times",
        "claims a time that cannot be added up",
        "put(part([[0.0, 0.0]] * len(worker()[1]['cases']), cpu={'x': 'nan'}))\ntime.sleep(0.2)",
        "failed", "crashed",
    ),
    attack(
        "a time of ages",
        "claims to have used up the whole run",
        "put(part([[0.0, 0.0]] * len(worker()[1]['cases']), cpu=1e300))\ntime.sleep(0.2)",
        "failed", "crashed",
    ),
    attack(
        "noise on every descriptor",
        "writes bytes without sense wherever it can",
        """
        for number in range(64):
            try:
                os.write(number, os.urandom(3000))
            except OSError:
                pass
        return honest(ctx, d)
        """,
        *ENDED,
    ),
    attack(
        "a head of exabytes",
        "announces more than there is memory",
        "put(struct.pack('>IQ', 2**32 - 1, 2**63))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "half a frame and then nothing",
        "makes the grader wait for the rest",
        "put(struct.pack('>IQ', 50, 9000) + b'{')\ntime.sleep(15)",
        "timed_out", "crashed",
    ),
    attack(
        "a byte at a time",
        "sends a long frame so slowly that it never ends, but never stops either",
        """
        put(struct.pack('>IQ', 50, 1 << 20))
        until = time.monotonic() + 15
        while time.monotonic() < until:
            put(b'x')
            time.sleep(0.01)
        """,
        "timed_out",
    ),
    attack(
        "empty parts without end",
        "sends small replies until the grader is full",
        "for _ in range(6000): put(part([], done=False))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "padding without end",
        "sends large replies until the grader is full",
        "for _ in range(400): put(part([], done=False, pad='x' * 19000 + 'y' * 200000))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "notes without end",
        "sends replies full of small values, which take our memory and our time to read",
        "more = [frame({'d': {'id': worker()[1]['id'], 'first': 0, 'answers': [], 'done': False, 'j': [[]] * 400_000}})]\n"
        "for _ in range(60): put(more[0])\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "a header that is too deep",
        "makes the reader of JSON recurse",
        "put(frame(b'[' * 100_000 + b']' * 100_000))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "a header of objects in objects",
        "makes the reader of tags recurse",
        "put(frame(b'{\"d\":{\"a\":' * 3000 + b'1' + b'}}' * 3000))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "an array of nothing with huge sides",
        "claims a shape that no memory holds",
        "put(frame({'d': {'id': worker()[1]['id'], 'pad': {'a': ['<f8', [0, 2**39, 2**39], 0]}}}))\nreturn honest(ctx, d)",
        *ENDED,
    ),
    attack(
        "a thread that writes in between",
        "mixes noise into the frames of the worker",
        """
        def noise(to):
            for _ in range(2000):
                try:
                    os.write(to, b'\\0' * 7)
                except OSError:
                    return
                time.sleep(0.0002)
        if once(): threading.Thread(target=noise, args=(fd(),)).start()
        time.sleep(0.002)
        return honest(ctx, d)
        """,
        # Zeros in the wrong place are the length of a message that never comes.
        *ENDED, "passed", "timed_out",
    ),
    attack(
        "a thread that answers late",
        "sends its reply when the next question has been asked",
        """
        def late(to, data):
            time.sleep(0.02)
            try:
                os.write(to, data)
            except OSError:
                pass
        if once(): threading.Thread(target=late, args=(fd(), part([[0.0, 0.0]] * 3, done=True))).start()
        return honest(ctx, d)
        """,
        "passed", *ENDED,
    ),
    attack(
        "a thread that takes the next question away",
        "reads the request that belongs to the worker",
        """
        def steal(number):
            try:
                os.read(number, 1 << 20)
            except OSError:
                pass
        if once(): threading.Thread(target=steal, args=(worker()[0].channel.read_fd,), daemon=True).start()
        return honest(ctx, d)
        """,
        "passed", "crashed",
        spoils=("mul_backward/*",),
    ),
    attack(
        "answers that are played again",
        "records the worker's own frames and sends them once more for the next question",
        """
        me = worker()[0]
        if once():
            right = type(me.channel).send
            def both(channel, message):
                right(channel, message)
                right(channel, message)
            type(me.channel).send = both
        return honest(ctx, d)
        """,
        *ENDED, "passed",
    ),
    attack(
        "the first right answer for every case",
        "puts one recorded answer into all replies",
        """
        me = worker()[0]
        right = me.encoded
        kept = []
        def again(answer, before, inputs):
            kept.append(right(answer, before, inputs))
            return kept[0] if worker()[1]['question'] == 'gradients' else kept[-1]
        if once(): me.encoded = again
        return honest(ctx, d)
        """,
        spoils=("*_backward/*",),
    ),
    attack(
        "a socket that does not wait",
        "makes the worker's own writes fail half way",
        "os.set_blocking(fd(), False)\nput(part([[0.0, 0.0]] * 3))\nreturn honest(ctx, d)",
        *ENDED, "failed",
    ),
    attack(
        "a child with a copy of the socket",
        "forks, and lets the child answer when the parent is gone",
        """
        try:
            child = os.fork()
        except OSError:
            return 0.0, 0.0
        if not child:
            os.setsid()
            time.sleep(0.2)
            try:
                put(part([[0.0, 0.0]] * len(worker()[1]['cases'])))
            except OSError:
                pass
            time.sleep(5)
            os._exit(0)
        os._exit(0)
        """,
        "failed", "crashed", "timed_out",
    ),
    whole(
        "a forged reply to the import",
        "answers the import with notes and failures of its own making",
        """
        note = "\\x1b[2J" + "n" * 9999
        failures = {"\\x1b]0;x\\x07" * 50: {"r": ["E\\x1b", "m\\u202e", ["w\\x1b"], "error"]}}
        put(frame({"d": {"id": worker()[1]["id"], "notes": [note] * 500, "failures": {"d": failures}}}))
        """,
        "crashed", "unimplemented", "failed", "blocked",
        tools=True,
    ),
    whole(
        "notes that are an array",
        "makes the grader look into a value that has no items",
        """
        put(frame({"d": {"id": worker()[1]["id"], "notes": {"a": ["<f8", [], 0]}, "failures": {"d": {}}}}, bytes(8)))
        """,
        "crashed", "blocked",
        tools=True,
    ),
    whole(
        "failures that are text",
        "makes the grader call a method that is not there",
        """
        put(frame({"d": {"id": worker()[1]["id"], "notes": [], "failures": "none"}}))
        """,
        "crashed", "blocked",
        tools=True,
    ),
]  # fmt: skip
