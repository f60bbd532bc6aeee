"""The floor: the submission's code alone on the cases of the banks, in one process, nothing compared.

Prints the processor seconds of the calls (cases decoded before), the number of cases, and the peak memory.
"""

import resource
import sys
import time
from pathlib import Path

from grader import bank
from grader.box import wire
from grader.box.bindings import functions, minitorch
from grader.box.imports import Package
from grader.course import find_course

module, submission = sys.argv[1:]
ready = bank.load(find_course(Path(__file__).parent), module)
package = Package(str(Path(submission).resolve()), list(ready.assignment.expects))
package.load()
subject = {"functions": functions, "minitorch": minitorch}[ready.assignment.binding].bind(package)
questions = {"__name__": "questions"}
exec(compile(ready.assignment.questions, "questions.py", "exec"), questions)
work = []
for check in ready.assignment.checks:
    cases = [wire.decode(case) for case in ready.banks[check.key].cases]
    work.append((questions[check.question], check.given, cases))
began = time.process_time()
for question, given, cases in work:
    for inputs in cases:
        question(subject, **given, **inputs)
seconds = time.process_time() - began
count = sum(len(cases) for _, _, cases in work)
print(seconds, count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
