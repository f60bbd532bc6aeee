"""What is asked. It runs beside the student's code and knows no answers."""


def value(subject, function, inputs):
    "{function}.forward gives the value"
    return subject.forward(function, *inputs)


def gradients(subject, function, inputs, upstream):
    "{function}.backward gives the upstream gradient times each derivative"
    return subject.vjp(function, *inputs, upstream=upstream)


def apart(subject, function, runs, upstreams):
    "{function}.backward uses the ctx that it is given, not what another call left behind"
    return subject.vjp_interleaved(function, runs, upstreams)
