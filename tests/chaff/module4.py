"""Mistakes in module 4."""

from __future__ import annotations

from .mistakes import Kind, Mistake

conv = Kind("module4", "minitorch/fast_conv.py")
nn = Kind("module4", "minitorch/nn.py")

# The key's loops, which give way to loops as students write them: all with one line, or a few, changed.
KEY_1D = """\
    sign = -1 if reverse else 1
    step = sign * input_strides[2]
    # Each row of the output belongs to one iteration, so no two threads write to the same cell.
    for row in prange(batch * out_channels):
        b, o = row // out_channels, row % out_channels
        for x in range(out_width):
            # The weights first to last - 1 lie on cells of the input.
            first = max(0, x - width + 1) if reverse else 0
            last = min(kw, x + 1) if reverse else min(kw, width - x)
            total = 0.0
            for c in range(in_channels):
                cell = b * input_strides[0] + c * input_strides[1]
                cell += x * input_strides[2] + first * step
                at = o * weight_strides[0] + c * weight_strides[1] + first * weight_strides[2]
                for _ in range(first, last):
                    total += input[cell] * weight[at]
                    cell += step
                    at += weight_strides[2]
            out[b * out_strides[0] + o * out_strides[1] + x * out_strides[2]] = total
"""
LOOPS_1D = """\
    s, t, u = input_strides, weight_strides, out_strides
    for b in prange(batch):
        for o in range(out_channels):
            for x in range(out_width):
                total = 0.0
                for c in range(in_channels):
                    for k in range(kw):
                        i = x - k if reverse else x + k
                        if i >= 0 and i < width:
                            here = b * s[0] + c * s[1] + i * s[2]
                            there = o * t[0] + c * t[1] + k * t[2]
                            total += input[here] * weight[there]
                out[b * u[0] + o * u[1] + x * u[2]] = total
"""
KEY_2D = """\
    # Each row of the output belongs to one iteration, so no two threads write to the same cell.
    for row in prange(batch * out_channels * out_height):
        image, y = row // out_height, row % out_height
        b, o = image // out_channels, image % out_channels
        # In arrays of its own, whose cells lie side by side, a row is added up several at a time.
        cells, sums = np.empty(width), np.zeros(out_width)
        for c in range(in_channels):
            for j in range(kh):
                line = y - j if reverse else y + j
                if not 0 <= line < height:
                    continue
                start = b * input_strides[0] + c * input_strides[1] + line * input_strides[2]
                for x in range(width):
                    cells[x] = input[start + x * input_strides[3]]
                at = o * weight_strides[0] + c * weight_strides[1] + j * weight_strides[2]
                for k in range(kw):
                    if reverse:
                        left, right, n = sums[k:], cells, min(out_width - k, width)
                    else:
                        left, right, n = sums, cells[k:], min(out_width, width - k)
                    factor = weight[at + k * weight_strides[3]]
                    for x in range(n):
                        left[x] += factor * right[x]
        place = b * out_strides[0] + o * out_strides[1] + y * out_strides[2]
        for x in range(out_width):
            out[place + x * out_strides[3]] = sums[x]
"""
LOOPS_2D = """\
    s, t, u = input_strides, weight_strides, out_strides
    for b in prange(batch):
        for o in range(out_channels):
            for y in range(out_height):
                for x in range(out_width):
                    total = 0.0
                    for c in range(in_channels):
                        for j in range(kh):
                            for k in range(kw):
                                h = y - j if reverse else y + j
                                w = x - k if reverse else x + k
                                if h >= 0 and h < height and w >= 0 and w < width:
                                    here = b * s[0] + c * s[1] + h * s[2] + w * s[3]
                                    there = o * t[0] + c * t[1] + j * t[2] + k * t[3]
                                    total += input[here] * weight[there]
                    out[b * u[0] + o * u[1] + y * u[2] + x * u[3]] = total
"""


def loops(key: str, plain: str, what: str, edits: list[tuple[str, str]], *caught: str) -> Mistake:
    """A mistake in a student's loops."""
    text = plain
    for old, new in edits:
        assert text.count(old) == 1, f"{what}: {old!r} stands {text.count(old)} times in the loops"
        text = text.replace(old, new)
    return conv(what, key, text, *caught)


def line(what: str, old: str, new: str, *caught: str) -> Mistake:
    """A mistake in a convolution over one dimension."""
    return loops(KEY_1D, LOOPS_1D, what, [(old, new)], *caught)


def plane(what: str, old: str, new: str, *caught: str) -> Mistake:
    """A mistake in a convolution over two dimensions."""
    return loops(KEY_2D, LOOPS_2D, what, [(old, new)], *caught)


def checks(dims: int) -> list[str]:
    """How the titles of the checks of one convolution begin."""
    kernel = f"tensor_conv{dims}d"
    return [
        f"{kernel} lays",
        f"{kernel} adds up",
        f"{kernel} takes a kernel",
        f"{kernel} fills",
        f"{kernel} reads",
        f"{kernel} writes",
        f"{kernel} in reverse lays",
        f"{kernel} in reverse takes",
        f"conv{dims}d of",
        f"The gradient of conv{dims}d by the input",
        f"The gradient of conv{dims}d by the kernel",
    ]


LAYS1, ADDS1, LARGER1, FILLS1, READS1, WRITES1, BACK1, ANY_BACK1, CONV1, BY_INPUT1, BY_KERNEL1 = (
    checks(1)
)
LAYS2, ADDS2, LARGER2, FILLS2, READS2, WRITES2, BACK2, ANY_BACK2, CONV2, BY_INPUT2, BY_KERNEL2 = (
    checks(2)
)
CALLS1, CALLS2 = (f"Every call of conv{dims}d remembers" for dims in (1, 2))
COMPILES1, COMPILES2 = "numba compiles tensor_conv1d", "numba compiles tensor_conv2d"
PARALLEL1, PARALLEL2 = (f"numba runs the loop of tensor_conv{dims}d" for dims in (1, 2))
APART1, APART2 = (
    f"No two iterations of the parallel loop of tensor_conv{dims}d" for dims in (1, 2)
)
COMPILED1 = "The compiled tensor_conv1d gives"
COMPILED2 = "The compiled tensor_conv2d gives"
TILE, TILE_LAYOUT = "tile gathers", "tile takes images"
AVERAGE, AVERAGE_BACK = "avgpool2d takes", "The gradient of avgpool2d"
ARGMAX, MARKS = "argmax marks the largest cell along", "argmax marks largest cells only"
MAX, MAX_BACK, MAX_TIES = "max takes", "The gradient of max goes", "Where several cells are largest"
MAX_APART = "Every call of max remembers"
SOFTMAX, LARGE, SOFTMAX_BACK = "softmax(tensor", "softmax does not", "The gradient of softmax"
LOG, SMALL, LOG_BACK = "logsoftmax(tensor", "logsoftmax is finite", "The gradient of logsoftmax"
POOL, POOL_BACK = "maxpool2d takes", "The gradient of maxpool2d"
POOL_TIES = "Where several cells of a window"
UNCHANGED, EVERYTHING = "dropout changes nothing", "dropout at rate 1"
RATE, AFRESH = "dropout drops each cell", "dropout draws anew"
SURVIVORS, DROPOUT_BACK = "What dropout leaves", "The gradient of dropout"

TILE_KEY = "    split = input.contiguous().view(batch, channel, rows, kh, columns, kw)\n"
WINDOWS_KEY = "    windows = split.permute(0, 1, 2, 4, 3, 5).contiguous()\n"
AVERAGE_KEY = "tiles.mean(4).view(input.shape[0], input.shape[1], rows, columns)"
POOL_KEY = "max(tiles, 4).view(input.shape[0], input.shape[1], rows, columns)"
MAX_BACK_KEY = "return argmax(input, along) * grad_output, 0.0"
SOFTMAX_KEY = """\
    powers = (input - max(input, dim)).exp()
    return powers / powers.sum(dim)
"""
LOG_KEY = """\
    shifted = input - max(input, dim)
    return shifted - shifted.exp().sum(dim).log()
"""
DROPOUT_KEY = "    return input * (rand(input.shape, backend=input.backend) > rate)\n"
MASK = "rand(input.shape, backend=input.backend)"

MISTAKES = [
    # Task 4.1
    line("the kernel is turned around", "k * t[2]", "(kw - 1 - k) * t[2]", LAYS1, CONV1),
    line(
        "in reverse the kernel's last weight lies on the place, its others before it in order",
        "i = x - k if reverse else x + k",
        "i = x - (kw - 1) + k if reverse else x + k",
        BACK1,
        ANY_BACK1,
        BY_INPUT1,
    ),
    line(
        "reverse is ignored",
        "i = x - k if reverse else x + k",
        "i = x + k",
        BACK1,
        ANY_BACK1,
        BY_INPUT1,
    ),
    line(
        "reverse is the rule",
        "i = x - k if reverse else x + k",
        "i = x - k",
        LAYS1,
        CONV1,
    ),
    line(
        "beyond the right border the signal begins again",
        "i = x - k if reverse else x + k",
        "i = x - k if reverse else (x + k) % width",
        LAYS1,
        CONV1,
        LARGER1,
    ),
    line(
        "before the left border the signal is read from its end",
        "if i >= 0 and i < width:",
        "if i < width:",
        BACK1,
    ),
    line(
        "beyond the border the last cell is repeated",
        "if i >= 0 and i < width:",
        "i = min(i, width - 1)\n                        if i >= 0:",
        LAYS1,
        CONV1,
    ),
    line(
        "the kernel is centred on its place",
        "i = x - k if reverse else x + k",
        "i = x - k if reverse else x + k - kw // 2",
        LAYS1,
        CONV1,
    ),
    line(
        "places where the kernel does not fit are left out",
        "for x in range(out_width):",
        "for x in range(0 if reverse else 0, out_width if reverse else out_width - kw + 1):",
        LAYS1,
        LARGER1,
    ),
    line("the last place is left out", "range(out_width)", "range(out_width - 1)", LAYS1),
    line("the last weight is left out", "range(kw)", "range(kw - 1)", LAYS1),
    line("weights beyond the eighth are left out", "range(kw)", "range(min(kw, 8))", COMPILED1),
    line(
        "a kernel larger than the signal is refused",
        "    for b in prange(batch):\n",
        "    assert kw <= max(width, out_width)\n    for b in prange(batch):\n",
        LARGER1,
    ),
    line("only the first channel counts", "range(in_channels)", "range(1)", ADDS1, CONV1),
    line(
        "only the last channel counts",
        "                    for k in range(kw):\n",
        "                    total = 0.0\n                    for k in range(kw):\n",
        ADDS1,
        CONV1,
    ),
    line(
        "every output channel has the weights of the first",
        "there = o * t[0]",
        "there = 0 * t[0]",
        ADDS1,
        CONV1,
    ),
    line("only the first batch is filled", "prange(batch)", "prange(1)", ADDS1, CONV1),
    line("every batch is the first one's", "here = b * s[0]", "here = 0 * s[0]", ADDS1, CONV1),
    line(
        "channels of the kernel are exchanged",
        "o * t[0] + c * t[1]",
        "c * t[0] + o * t[1]",
        ADDS1,
        CONV1,
    ),
    line(
        "the input is taken to lie row by row",
        "    s, t, u = input_strides, weight_strides, out_strides\n",
        "    s, t, u = (in_channels * width, width, 1), weight_strides, out_strides\n",
        READS1,
    ),
    line(
        "the kernel is taken to lie row by row",
        "    s, t, u = input_strides, weight_strides, out_strides\n",
        "    s, t, u = input_strides, (in_channels * kw, kw, 1), out_strides\n",
        READS1,
        BY_INPUT1,
    ),
    line(
        "the output is taken to lie row by row",
        "    s, t, u = input_strides, weight_strides, out_strides\n",
        "    s, t, u = input_strides, weight_strides, (out_channels * out_width, out_width, 1)\n",
        WRITES1,
    ),
    line(
        "the output is taken to be as wide as the input",
        "for x in range(out_width):",
        "for x in range(width):",
        FILLS1,
    ),
    line(
        "the signal is taken to be as wide as the output",
        "i < width",
        "i < out_width",
        FILLS1,
        BY_KERNEL1,
    ),
    line(
        "fractions are dropped",
        "total += input[here] * weight",
        "total += int(input[here]) * weight",
        LAYS1,
    ),
    line(
        "the input is scaled in place",
        "                total = 0.0\n",
        "                total = 0.0\n                input[0] += 1.0\n",
        LAYS1,
        CONV1,
    ),
    conv(
        "the gradient by the kernel keeps its channels exchanged",
        "return grad_input, grad_weight.permute(1, 0, 2)\n",
        "return grad_input, grad_weight\n",
        BY_KERNEL1,
    ),
    conv.edited(
        "the class Conv1dFun remembers its input and kernel, and not ctx",
        [
            (
                "ctx.save_for_backward(input, weight)\n        batch, in_channels, width =",
                "Conv1dFun.saved = input, weight\n        batch, in_channels, width =",
            ),
            (
                "input, weight = ctx.saved_values\n        batch, in_channels, width =",
                "input, weight = Conv1dFun.saved\n        batch, in_channels, width =",
            ),
        ],
        CALLS1,
    ),
    conv.edited(
        "the class Conv2dFun remembers its input and kernel, and not ctx",
        [
            (
                "ctx.save_for_backward(input, weight)\n        batch, in_channels, height, width =",
                "Conv2dFun.saved = input, weight\n        batch, in_channels, height, width =",
            ),
            (
                "input, weight = ctx.saved_values\n        batch, in_channels, height, width =",
                "input, weight = Conv2dFun.saved\n        batch, in_channels, height, width =",
            ),
        ],
        CALLS2,
    ),
    # Task 4.2
    plane(
        "the image's kernel is turned around",
        "j * t[2] + k * t[3]",
        "(kh - 1 - j) * t[2] + (kw - 1 - k) * t[3]",
        LAYS2,
        CONV2,
    ),
    plane("the kernel is turned upside down", "j * t[2]", "(kh - 1 - j) * t[2]", LAYS2, CONV2),
    plane(
        "the kernel's rows and columns are exchanged",
        "for j in range(kh):\n                            for k in range(kw):\n",
        "for k in range(kh):\n                            for j in range(kw):\n",
        LAYS2,
        CONV2,
    ),
    plane("the kernel is taken to be square", "range(kh)", "range(kw)", LAYS2),
    plane(
        "reverse is ignored in rows",
        "h = y - j if reverse else y + j",
        "h = y + j",
        BACK2,
        BY_INPUT2,
    ),
    plane(
        "reverse is ignored in columns",
        "w = x - k if reverse else x + k",
        "w = x + k",
        BACK2,
        BY_INPUT2,
    ),
    loops(
        KEY_2D,
        LOOPS_2D,
        "in reverse the last weight lies on the place, the others above and before it in order",
        [
            ("h = y - j if reverse", "h = y - (kh - 1) + j if reverse"),
            ("w = x - k if reverse", "w = x - (kw - 1) + k if reverse"),
        ],
        BACK2,
        ANY_BACK2,
        BY_INPUT2,
    ),
    plane(
        "beyond the right border the next row is read",
        "h < height and w >= 0 and w < width",
        "h < height and b * s[0] + c * s[1] + h * s[2] + w * s[3] < len(input)",
        LAYS2,
    ),
    plane(
        "height and width of the image are exchanged",
        "h < height and w >= 0 and w < width",
        "h < width and w >= 0 and w < height",
        LAYS2,
    ),
    plane(
        "beyond the border the image begins again",
        "if h >= 0 and h < height and w >= 0 and w < width:",
        "h, w = h % height, w % width\n                                if True:",
        LAYS2,
        CONV2,
    ),
    plane(
        "columns of the image beyond the 32nd are left out",
        "range(out_width)",
        "range(min(out_width, 32))",
        COMPILED2,
    ),
    plane(
        "only the last row of the kernel counts",
        "for k in range(kw):\n",
        "total = 0.0\n                            for k in range(kw):\n",
        LAYS2,
    ),
    plane("only the image's first channel counts", "range(in_channels)", "range(1)", ADDS2, CONV2),
    plane("every image is the first one", "here = b * s[0]", "here = 0 * s[0]", ADDS2, CONV2),
    plane(
        "every channel has the image weights of the first",
        "there = o * t[0]",
        "there = 0 * t[0]",
        ADDS2,
        CONV2,
    ),
    plane(
        "channels of the image's kernel are exchanged",
        "o * t[0] + c * t[1]",
        "c * t[0] + o * t[1]",
        ADDS2,
        CONV2,
    ),
    plane(
        "the image is taken to lie row by row",
        "    s, t, u = input_strides, weight_strides, out_strides\n",
        "    s = (in_channels * height * width, height * width, width, 1)\n"
        "    t, u = weight_strides, out_strides\n",
        READS2,
    ),
    plane(
        "the output image is taken to lie row by row",
        "    s, t, u = input_strides, weight_strides, out_strides\n",
        "    s, t = input_strides, weight_strides\n"
        "    u = (out_channels * out_height * out_width, out_height * out_width, out_width, 1)\n",
        WRITES2,
    ),
    plane(
        "the output is taken to be as high as the image",
        "for y in range(out_height):",
        "for y in range(height):",
        FILLS2,
    ),
    plane(
        "a kernel larger than the image is refused",
        "    for b in prange(batch):\n",
        "    assert kh <= max(height, out_height) and kw <= max(width, out_width)\n"
        "    for b in prange(batch):\n",
        LARGER2,
    ),
    # Compiled
    conv(
        "the kernel is not compiled",
        "tensor_conv1d = njit(_tensor_conv1d, parallel=True)",
        "tensor_conv1d = _tensor_conv1d",
        COMPILES1,
    ),
    conv(
        "the image's kernel is not compiled",
        "tensor_conv2d = njit(_tensor_conv2d, parallel=True, fastmath=True)",
        "tensor_conv2d = _tensor_conv2d",
        COMPILES2,
    ),
    line(
        "a line is Python that numba does not know",
        "                total = 0.0\n",
        "                total = {'sum': 0.0, 1: 0.0}['sum']\n",
        COMPILES1,
    ),
    plane(
        "an image's line is Python that numba does not know",
        "                    total = 0.0\n",
        "                    total = sum(x for x in [0.0]) if any([reverse]) else 0.0\n"
        "                    total = dict(a=0.0).popitem()[1]\n",
        COMPILES2,
    ),
    line("no loop is parallel", "prange(batch)", "range(batch)", PARALLEL1),
    conv(
        "the image's kernel is compiled for one thread",
        "njit(_tensor_conv2d, parallel=True, fastmath=True)",
        "njit(_tensor_conv2d, fastmath=True)",
        PARALLEL2,
    ),
    loops(
        KEY_1D,
        LOOPS_1D,
        "all threads add up in one place",
        [
            (
                "    for b in prange(batch):\n",
                "    sums = np.zeros(1)\n    for b in prange(batch):\n",
            ),
            ("                total = 0.0\n", "                sums[0] = 0.0\n"),
            ("total += input", "sums[0] += input"),
            ("= total\n", "= sums[0]\n"),
        ],
        APART1,
    ),
    loops(
        KEY_2D,
        LOOPS_2D,
        "threads share the output's cells among input channels",
        [
            (
                "    for b in prange(batch):\n        for o",
                "    for c in prange(in_channels):\n        for o",
            ),
            (
                "                    for c in range(in_channels):\n",
                "                    for b in range(batch):\n",
            ),
            (
                "                    out[b * u[0] + o * u[1] + y * u[2] + x * u[3]] = total\n",
                "                        out[b * u[0] + o * u[1] + y * u[2] + x * u[3]] += total\n",
            ),
            ("                    total = 0.0\n", ""),
            (
                "                        for j in range(kh):\n",
                "                        total = 0.0\n                        for j in range(kh):\n",
            ),
        ],
        APART2,
    ),
    # Task 4.3
    nn(
        "windows are viewed and not gathered",
        WINDOWS_KEY,
        "    windows = split\n",
        TILE,
        AVERAGE,
        POOL,
    ),
    nn(
        "rows and windows change places",
        WINDOWS_KEY,
        "    windows = split.permute(0, 1, 3, 4, 2, 5).contiguous()\n",
        TILE,
        AVERAGE,
    ),
    nn(
        "height and width of a window are exchanged",
        "    kh, kw = kernel\n",
        "    kw, kh = kernel\n",
        TILE,
        AVERAGE,
    ),
    nn(
        "batches and channels change places in tile",
        "return windows.view(batch, channel, rows, columns, kh * kw), rows, columns",
        "return windows.permute(1, 0, 2, 4, 3, 5).contiguous()"
        ".view(batch, channel, rows, columns, kh * kw), rows, columns",
        TILE,
    ),
    nn(
        "tile tells the size of a window",
        "columns, kh * kw), rows, columns\n",
        "columns, kh * kw), kh, kw\n",
        TILE,
    ),
    nn(
        "tile tells columns before rows",
        "columns, kh * kw), rows, columns\n",
        "columns, kh * kw), columns, rows\n",
        TILE,
    ),
    nn("tile takes row-major images only", "input.contiguous().view", "input.view", TILE_LAYOUT),
    nn(
        "tile loses the graph",
        "input.contiguous().view",
        "input.detach().contiguous().view",
        AVERAGE_BACK,
        POOL_BACK,
    ),
    nn(
        "the average is the sum",
        AVERAGE_KEY,
        AVERAGE_KEY.replace("mean", "sum"),
        AVERAGE,
        AVERAGE_BACK,
    ),
    nn("the average keeps the windows' dimension", AVERAGE_KEY, "tiles.mean(4)", AVERAGE),
    nn(
        "the average is divided by the square of the height",
        AVERAGE_KEY,
        AVERAGE_KEY.replace("mean(4)", "sum(4)") + " / (kernel[0] * kernel[0])",
        AVERAGE,
    ),
    nn(
        "the average is rounded",
        AVERAGE_KEY,
        AVERAGE_KEY.replace("tiles", "(tiles > 0.0)"),
        AVERAGE,
    ),
    # Task 4.4
    nn(
        "argmax marks the smallest",
        "input == max_reduce(input, dim)",
        "-input == max_reduce(-input, dim)",
        ARGMAX,
        MARKS,
    ),
    nn(
        "argmax knows one dimension",
        "input == max_reduce(input, dim)",
        "input == max_reduce(input, 0)",
        ARGMAX,
        MAX_BACK,
    ),
    nn(
        "argmax marks what is positive",
        "input == max_reduce(input, dim)",
        "input > 0.0",
        ARGMAX,
        MARKS,
    ),
    nn(
        "argmax marks what is close to the largest",
        "input == max_reduce(input, dim)",
        "input.is_close(max_reduce(input, dim))",
        ARGMAX,
        MAX_BACK,
        POOL_BACK,
    ),
    nn(
        "argmax gives the values",
        "input == max_reduce(input, dim)",
        "input * (input == max_reduce(input, dim))",
        ARGMAX,
    ),
    nn("the maximum begins at 0", "operators.max, -math.inf", "operators.max, 0.0", MAX, POOL),
    nn("the maximum begins at 1", "operators.max, -math.inf", "operators.max, 1.0", MAX, POOL),
    nn("the maximum begins at -1000", "operators.max, -math.inf", "operators.max, -1000.0", MAX),
    nn("the maximum begins at -10", "operators.max, -math.inf", "operators.max, -10.0", MAX),
    nn.edited(
        "the class Max remembers its cells, and not ctx",
        [
            ("ctx.save_for_backward(input, along)", "Max.saved = input, along"),
            ("input, along = ctx.saved_values", "input, along = Max.saved"),
        ],
        MAX_APART,
    ),
    nn(
        "the maximum is the sum",
        "FastOps.reduce(operators.max",
        "FastOps.reduce(operators.add",
        MAX,
    ),
    nn(
        "max is taken along the first dimension",
        "along = int(dim.item())",
        "along = 0",
        MAX,
        MAX_BACK,
    ),
    nn(
        "max has no graph",
        "Max.apply(input, input",
        "Max.apply(input.detach(), input",
        MAX_BACK,
        POOL_BACK,
    ),
    nn(
        "the gradient of max ignores its upstream",
        MAX_BACK_KEY,
        "return argmax(input, along), 0.0",
        MAX_BACK,
        POOL_BACK,
        MAX_TIES,
    ),
    nn(
        "the gradient of max goes to all cells",
        MAX_BACK_KEY,
        "return grad_output, 0.0",
        MAX_BACK,
        POOL_BACK,
        MAX_TIES,
    ),
    nn(
        "the gradient of max is times the cell",
        MAX_BACK_KEY,
        "return input * argmax(input, along) * grad_output, 0.0",
        MAX_BACK,
        POOL_BACK,
    ),
    nn(
        "the gradient of max is negative",
        MAX_BACK_KEY,
        "return -(argmax(input, along) * grad_output), 0.0",
        MAX_BACK,
        MAX_TIES,
        POOL_TIES,
    ),
    nn(
        "of several largest cells none gets a gradient",
        MAX_BACK_KEY,
        "marks = argmax(input, along)\n"
        "        return marks * (marks.sum(along) == 1.0) * grad_output, 0.0",
        MAX_TIES,
        POOL_TIES,
    ),
    nn(
        "of several largest cells each gets a half, however many they are",
        MAX_BACK_KEY,
        "marks = argmax(input, along)\n"
        "        return marks / ((marks.sum(along) > 1.0) + 1.0) * grad_output, 0.0",
        MAX_TIES,
        POOL_TIES,
    ),
    nn(
        "all tied cells share with a cell that is not the largest",
        MAX_BACK_KEY,
        "marks = argmax(input, along)\n"
        "        several = (marks.sum(along) > 1.0)\n"
        "        even = (input * 0.0 + 1.0) / (input * 0.0 + 1.0).sum(along)\n"
        "        return (marks * (several == 0.0) + even * several) * grad_output, 0.0",
        MAX_TIES,
    ),
    nn(
        "softmax is not shifted",
        SOFTMAX_KEY,
        "    return input.exp() / input.exp().sum(dim)\n",
        LARGE,
    ),
    nn(
        "softmax is over the whole tensor",
        SOFTMAX_KEY,
        SOFTMAX_KEY.replace("powers.sum(dim)", "powers.sum()"),
        SOFTMAX,
    ),
    nn(
        "softmax is over the first dimension",
        SOFTMAX_KEY,
        SOFTMAX_KEY.replace("powers.sum(dim)", "powers.sum(0)"),
        SOFTMAX,
    ),
    nn(
        "softmax is not divided",
        SOFTMAX_KEY,
        SOFTMAX_KEY.replace(" / powers.sum(dim)", ""),
        SOFTMAX,
        LARGE,
    ),
    nn(
        "softmax divides by a constant",
        SOFTMAX_KEY,
        SOFTMAX_KEY.replace("powers.sum(dim)", "powers.sum(dim).detach()"),
        SOFTMAX_BACK,
    ),
    nn(
        "softmax has no graph",
        SOFTMAX_KEY,
        "    input = input.detach()\n" + SOFTMAX_KEY,
        SOFTMAX_BACK,
    ),
    nn(
        "softmax is shifted by the sum",
        SOFTMAX_KEY,
        SOFTMAX_KEY.replace("max(input, dim)", "input.sum(dim)"),
        LARGE,
    ),
    nn(
        "logsoftmax is the logarithm of the softmax",
        LOG_KEY,
        "    return softmax(input, dim).log()\n",
        SMALL,
    ),
    nn(
        "logsoftmax forgets to shift back",
        LOG_KEY,
        "    return input - (input - max(input, dim)).exp().sum(dim).log()\n",
        LOG,
        SMALL,
    ),
    nn("logsoftmax takes no logarithm", LOG_KEY, LOG_KEY.replace(".log()", ""), LOG),
    nn("logsoftmax is over the whole tensor", LOG_KEY, LOG_KEY.replace(".sum(dim)", ".sum()"), LOG),
    nn(
        "logsoftmax is not shifted",
        LOG_KEY,
        "    return input - input.exp().sum(dim).log()\n",
        SMALL,
    ),
    nn(
        "logsoftmax subtracts a constant",
        LOG_KEY,
        LOG_KEY.replace(".log()", ".log().detach()"),
        LOG_BACK,
    ),
    nn(
        "maxpool is the average",
        POOL_KEY,
        POOL_KEY.replace("max(tiles, 4)", "tiles.mean(4)"),
        POOL,
        POOL_BACK,
    ),
    nn("maxpool keeps the windows' dimension", POOL_KEY, "max(tiles, 4)", POOL),
    nn(
        "maxpool takes the largest of each channel",
        POOL_KEY,
        "max(max(tiles, 4), 1).view(input.shape[0], 1, rows, columns) + tiles.sum(4).view(input.shape[0], input.shape[1], rows, columns) * 0.0",
        POOL,
    ),
    nn(
        "maxpool adds up the cells that argmax marks, which several may be",
        POOL_KEY,
        "(argmax(tiles, 4) * tiles).sum(4).view(input.shape[0], input.shape[1], rows, columns)",
        POOL,
    ),
    nn(
        "maxpool loses the graph",
        POOL_KEY,
        POOL_KEY.replace("max(tiles", "max(tiles.detach()"),
        POOL_BACK,
    ),
    nn(
        "dropout keeps what it should drop",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("> rate", "< rate"),
        RATE,
        EVERYTHING,
    ),
    nn("dropout drops nothing", DROPOUT_KEY, "    return input * 1.0\n", RATE, EVERYTHING, AFRESH),
    nn(
        "dropout drops at half the rate",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("> rate", "> rate / 2"),
        RATE,
        EVERYTHING,
    ),
    nn(
        "dropout drops at the square of the rate",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("> rate", "> rate * rate"),
        RATE,
    ),
    nn("dropout drops at one rate", DROPOUT_KEY, DROPOUT_KEY.replace("> rate", "> 0.5"), RATE),
    nn("dropout does not know ignore", "    if ignore:\n", "    if False:\n", UNCHANGED),
    nn("dropout ignores always", "    if ignore:\n", "    if True:\n", RATE, EVERYTHING, AFRESH),
    nn(
        "dropout drops exactly as many cells as are to be expected",
        DROPOUT_KEY,
        "    import random\n\n    from .tensor_functions import tensor\n\n    n = input.size\n"
        "    dropped = set(random.sample(range(n), int(n * rate)))\n"
        "    kept = tensor([float(i not in dropped) for i in range(n)])\n"
        "    return input * kept.view(*input.shape)\n",
        AFRESH,
    ),
    nn(
        "dropout drops whole rows",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("rand(input.shape", "rand((*input.shape[:-1], 1)"),
        RATE,
    ),
    nn(
        "dropout drops whole columns",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("rand(input.shape", "rand((1, *input.shape[1:])"),
        RATE,
    ),
    nn(
        "dropout drops whole channels of images",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("rand(input.shape", "rand((*input.shape[:2], *[1] * (input.dims - 2))"),
        RATE,
    ),
    nn(
        "dropout drops the same cells of every image",
        DROPOUT_KEY,
        DROPOUT_KEY.replace(
            "rand(input.shape", "rand(input.shape if input.dims < 3 else (1, *input.shape[1:])"
        ),
        RATE,
    ),
    nn(
        "dropout drops all or nothing",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("rand(input.shape", "rand((1,)"),
        RATE,
    ),
    nn(
        "dropout draws the same in every call",
        DROPOUT_KEY,
        "    import random\n\n    random.seed(1)\n" + DROPOUT_KEY,
        AFRESH,
    ),
    nn(
        "dropout draws anew in every second call alone",
        DROPOUT_KEY,
        """\
    if not masks or masks[0].shape != input.shape:
        masks[:] = [rand(input.shape, backend=input.backend) > rate]
        return input * masks[0]
    return input * masks.pop()


masks: list[Tensor] = []
""",
        AFRESH,
    ),
    nn(
        "dropout never drops the first cell",
        DROPOUT_KEY,
        f"    kept = {MASK} > rate\n    kept._tensor._storage[0] = rate < 1.0\n    return input * kept\n",
        AFRESH,
    ),
    nn(
        "dropout drops large cells rather than small ones",
        DROPOUT_KEY,
        f"    return input * ({MASK} * (input * input + 0.5) < (input * input + 0.5) * 0.0 + 8.0 * (1.0 - rate))\n",
        RATE,
    ),
    nn(
        "dropout drops negative cells alone",
        DROPOUT_KEY,
        f"    return input * (({MASK} > rate) + (input > 0.0) > 0.0)\n",
        RATE,
        EVERYTHING,
    ),
    nn(
        "dropout scales the survivors down",
        DROPOUT_KEY,
        f"    return input * ({MASK} > rate) * (1.0 - rate)\n",
        SURVIVORS,
    ),
    nn(
        "dropout scales by 1 / rate",
        DROPOUT_KEY,
        f"    if rate == 0.0:\n        return input\n    return input * ({MASK} > rate) / rate\n",
        SURVIVORS,
    ),
    nn(
        "dropout divides by 0 at rate 1",
        DROPOUT_KEY,
        f"    return input * ({MASK} > rate) * (1.0 / (1.0 - rate))\n",
        EVERYTHING,
    ),
    nn(
        "dropout scales some of the survivors",
        DROPOUT_KEY,
        f"    return input * ({MASK} > rate) * (({MASK} > 0.5) + 1.0)\n",
        SURVIVORS,
    ),
    nn(
        "dropout adds noise",
        DROPOUT_KEY,
        f"    noise = {MASK}\n    return input * (noise > rate) * noise\n",
        SURVIVORS,
    ),
    nn(
        "dropout's gradient goes through dropped cells",
        DROPOUT_KEY,
        f"    kept = {MASK} > rate\n    return input + input.detach() * (kept + -1.0)\n",
        DROPOUT_BACK,
    ),
    nn(
        "dropout's gradient has a mask of its own",
        DROPOUT_KEY,
        f"    kept, other = {MASK} > rate, {MASK} > rate\n"
        "    return input * other + input.detach() * (kept - other)\n",
        DROPOUT_BACK,
    ),
    nn(
        "dropout has no graph",
        DROPOUT_KEY,
        DROPOUT_KEY.replace("return input *", "return input.detach() *"),
        DROPOUT_BACK,
    ),
    nn(
        "dropout at rate 1 gives a single 0",
        "    if ignore:\n",
        "    if rate == 1.0 and not ignore:\n        return input.zeros((1,))\n    if ignore:\n",
        EVERYTHING,
    ),
    nn(
        "dropout leaves out the fraction",
        DROPOUT_KEY,
        f"    from .tensor_functions import tensor\n\n    return {MASK} > rate\n",
        SURVIVORS,
    ),
]
