"""Mistakes in module 3. Most are told in the kernels as students write them: those of the wheat."""

from __future__ import annotations

from .mistakes import Kind

FILE = "minitorch/fast_ops.py"
plain = Kind("module3", FILE, "fast_plain")
aligned = Kind("module3", FILE, "fast_aligned")
blocked = Kind("module3", FILE, "fast_blocked")
wrapped = Kind("module3", FILE, "fast_wrapped")
by_hand = Kind("module3", FILE, "fast_by_hand")
key = Kind("module3", FILE)
functions = Kind("module3", "minitorch/tensor_functions.py")

MAP_IN, MAP_SMALL, MAP_OUT = (
    f"The fast tensor_map {what}" for what in ("reads", "stretches", "writes")
)
ZIP_IN, ZIP_SMALL, ZIP_OUT = (
    f"The fast tensor_zip {what}" for what in ("reads", "stretches", "writes")
)
SUM, PRODUCT, LARGEST = (
    f"The fast tensor_reduce folds one dimension with {what}"
    for what in ("x + y", "x * y", "max(x, y)")
)
REDUCE_OUT = "The fast tensor_reduce writes"
BATCHES = "tensor_matrix_multiply multiplies batches"
ONE_A, ONE_B = (
    "tensor_matrix_multiply uses the one matrix of a",
    "tensor_matrix_multiply uses the one matrix of b",
)
MATMUL_OUT = "tensor_matrix_multiply writes through"
SIZES = "tensor_matrix_multiply is right for sizes"
A_AT_B = "a @ b for two matrices"
OF_MATRICES, OF_BATCHES = (f"The gradients of a @ b for two {what}" for what in ("matric", "batch"))
USES_OF_A, USES_OF_B = (f"The gradients of a @ b where {which} is one" for which in "ab")


def compiles(name: str) -> str:
    return f"numba compiles tensor_{name}"


def parallel(name: str) -> str:
    return f"numba runs the loop of tensor_{name} in parallel"


def apart(name: str) -> str:
    return f"No two iterations of the parallel loop of tensor_{name} write"


def right(name: str) -> str:
    return f"The compiled tensor_{name} gives"


MAP_LOOP = """\
        for i in prange(len(out)):
            out_index = np.zeros(MAX_DIMS, dtype=np.int32)
            in_index = np.zeros(MAX_DIMS, dtype=np.int32)
"""
ZIP_LOOP = """\
        for i in prange(len(out)):
            out_index = np.zeros(MAX_DIMS, dtype=np.int32)
            a_index = np.zeros(MAX_DIMS, dtype=np.int32)
"""
REDUCE_LOOP = """\
        for i in prange(len(out)):
            out_index = np.zeros(MAX_DIMS, dtype=np.int32)
            reduce_size = a_shape[reduce_dim]
"""
FOLD = """\
            for s in range(reduce_size):
                out_index[reduce_dim] = s
                j = index_to_position(out_index, a_strides)
                out[o] = fn(out[o], a_storage[j])
"""
MATMUL_LOOP = """\
    for n in prange(out_shape[0]):
        for i in range(out_shape[1]):
            for j in range(out_shape[2]):
                total = 0.0
"""
IN_POSITION = "j = index_to_position(in_index, in_strides)"

MISTAKES = [
    # Task 3.1: tensor_map
    plain(
        "map reads its input by the index of the output",
        IN_POSITION,
        "j = index_to_position(out_index, in_strides)",
        MAP_SMALL,
    ),
    plain("map reads its input in the order of storage", IN_POSITION, "j = i", MAP_IN),
    plain(
        "map reads its input by the strides of the output",
        IN_POSITION,
        "j = index_to_position(in_index, out_strides)",
        MAP_IN,
    ),
    plain(
        "map writes its output in the order of storage",
        "            out[o] = fn(in_storage[j])\n",
        "            out[i] = fn(in_storage[j])\n",
        MAP_OUT,
    ),
    plain(
        "map takes the shape of the output for that of the input",
        "broadcast_index(out_index, out_shape, in_shape, in_index)",
        "broadcast_index(out_index, out_shape, out_shape, in_index)",
        MAP_SMALL,
    ),
    aligned(
        "map's quick way looks at the strides alone: a row has those of a matrix",
        "            and (out_shape == in_shape).all()\n",
        "",
        MAP_SMALL,
    ),
    aligned(
        "map's quick way looks at the shapes alone",
        "            and (out_strides == in_strides).all()\n",
        "",
        MAP_IN,
        MAP_OUT,
    ),
    aligned(
        "map's quick way is taken for as many cells, whatever their layout",
        """\
            len(out_strides) == len(in_strides)
            and (out_strides == in_strides).all()
            and (out_shape == in_shape).all()
""",
        "            len(out) == len(in_storage)\n",
        MAP_IN,
    ),
    aligned(
        "map's quick way leaves out the last cell",
        """\
            for i in prange(len(out)):
                out[i] = fn(in_storage[i])
""",
        """\
            for i in prange(len(out) - 1):
                out[i] = fn(in_storage[i])
""",
        MAP_IN,
    ),
    aligned(
        "map's quick way copies and forgets the function",
        "                out[i] = fn(in_storage[i])\n",
        "                out[i] = in_storage[i]\n",
        MAP_IN,
    ),
    key(
        "map takes every input to be as far apart in its last dimension as its output",
        "            run, out_step, in_step = int(out_shape[-1]), out_steps[-1], in_steps[-1]\n",
        "            run, out_step, in_step = int(out_shape[-1]), out_steps[-1], out_steps[-1]\n",
        MAP_IN,
    ),
    key(
        "map walks along a dimension of size 1 that is stretched",
        "        if shape[dim] != 1:\n",
        "        if shape[dim] != 0:\n",
        MAP_SMALL,
        ZIP_SMALL,
    ),
    # tensor_zip
    plain(
        "zip stretches the second input as it does the first",
        "broadcast_index(out_index, out_shape, b_shape, b_index)",
        "broadcast_index(out_index, out_shape, a_shape, b_index)",
        ZIP_SMALL,
    ),
    plain(
        "zip reads the second input by the strides of the first",
        "k = index_to_position(b_index, b_strides)",
        "k = index_to_position(b_index, a_strides)",
        ZIP_IN,
    ),
    plain(
        "zip exchanges its inputs",
        "fn(a_storage[j], b_storage[k])",
        "fn(b_storage[k], a_storage[j])",
        ZIP_IN,
        ZIP_SMALL,
        ZIP_OUT,
    ),
    plain(
        "zip writes its output in the order of storage",
        "out[o] = fn(a_storage[j], b_storage[k])",
        "out[i] = fn(a_storage[j], b_storage[k])",
        ZIP_OUT,
    ),
    plain.edited(
        "zip puts the first input's index into the output's, and goes on with it",
        [
            (
                "broadcast_index(out_index, out_shape, a_shape, a_index)",
                "broadcast_index(out_index, out_shape, a_shape, out_index)",
            ),
            (
                "j = index_to_position(a_index, a_strides)",
                "j = index_to_position(out_index, a_strides)",
            ),
        ],
        ZIP_SMALL,
    ),
    aligned.edited(
        "zip's quick way does not look at the second input",
        [
            (
                "            np.array_equal(a_strides, b_strides)\n            and np.array_equal(a_strides",
                "            np.array_equal(a_strides",
            ),
            ("            and np.array_equal(a_shape, b_shape)\n", ""),
        ],
        ZIP_IN,
    ),
    aligned(
        "zip's quick way does not look at the layout of the output",
        "            and np.array_equal(a_strides, out_strides)\n",
        "",
        ZIP_IN,
        ZIP_OUT,
    ),
    aligned(
        "zip's quick way takes the first input twice",
        "out[i] = fn(a_storage[i], b_storage[i])",
        "out[i] = fn(a_storage[i], a_storage[i])",
        ZIP_IN,
    ),
    blocked(
        "zip's last share is lost where the cells do not divide evenly",
        "step = (size + chunks - 1) // chunks",
        "step = size // chunks",
        ZIP_IN,
    ),
    # tensor_reduce
    plain(
        "reduce reads its input by the strides of the output",
        "j = index_to_position(out_index, a_strides)",
        "j = index_to_position(out_index, out_strides)",
        SUM,
    ),
    plain(
        "reduce writes its output in the order of storage",
        "out[o] = fn(out[o], a_storage[j])",
        "out[i] = fn(out[o], a_storage[j])",
        REDUCE_OUT,
    ),
    plain("reduce folds the first dimension", "out_index[reduce_dim] = s", "out_index[0] = s", SUM),
    plain(
        "reduce takes the size of the output's dimension, which is 1",
        "reduce_size = a_shape[reduce_dim]",
        "reduce_size = out_shape[reduce_dim]",
        SUM,
        PRODUCT,
        LARGEST,
    ),
    plain(
        "reduce leaves out the first cell",
        "for s in range(reduce_size):",
        "for s in range(1, reduce_size):",
        SUM,
        PRODUCT,
        LARGEST,
    ),
    plain(
        "reduce keeps only the last cell",
        "out[o] = fn(out[o], a_storage[j])",
        "out[o] = a_storage[j]",
        SUM,
    ),
    plain(
        "reduce adds, whatever the function",
        "out[o] = fn(out[o], a_storage[j])",
        "out[o] += a_storage[j]",
        PRODUCT,
        LARGEST,
    ),
    plain(
        "reduce works out the output's place after it has moved the index",
        """\
            o = index_to_position(out_index, out_strides)
            for s in range(reduce_size):
                out_index[reduce_dim] = s
""",
        """\
            for s in range(reduce_size):
                out_index[reduce_dim] = s
                o = index_to_position(out_index, out_strides)
""",
        SUM,
    ),
    aligned(
        "reduce starts every fold at 0",
        "so_far = out[o]",
        "so_far = 0.0",
        PRODUCT,
        LARGEST,
    ),
    aligned(
        "reduce takes one step along the storage for every cell",
        "                j += a_strides[reduce_dim]\n",
        "                j += 1\n",
        SUM,
    ),
    # The backend
    key(
        "the backend's map makes a new tensor when it is given one to fill",
        "            if out is None:\n                out = a.zeros(a.shape)\n            kernel(*out.tuple(), *a.tuple())\n            return out\n",
        "            out = a.zeros(a.shape)\n            kernel(*out.tuple(), *a.tuple())\n            return out\n",
        "On the fast backend: The gradient of tensor.sum(dim)",
    ),
    key(
        "the backend's zip gives its result the shape of the first input",
        "            shape = a.shape if a.shape == b.shape else shape_broadcast(a.shape, b.shape)\n",
        "            shape = a.shape\n",
        "On the fast backend: tensor + tensor",
    ),
    key(
        "the backend's reduce forgets the start",
        "            out._tensor._storage[:] = start\n",
        "",
        "On the fast backend: tensor.all()",
    ),
    # Task 3.2
    plain(
        "the batch stride of a is used where a is one matrix",
        "a_batch_stride = a_strides[0] if a_shape[0] > 1 else 0",
        "a_batch_stride = a_strides[0]",
        ONE_A,
    ),
    plain(
        "the batch stride of b is used where b is one matrix",
        "b_batch_stride = b_strides[0] if b_shape[0] > 1 else 0",
        "b_batch_stride = b_strides[0]",
        ONE_B,
    ),
    plain(
        "all batches take the first matrix of a",
        "a_batch_stride = a_strides[0] if a_shape[0] > 1 else 0",
        "a_batch_stride = 0",
        BATCHES,
        ONE_B,
    ),
    plain(
        "b is read by columns",
        "b = n * b_batch_stride + k * b_strides[1] + j * b_strides[2]",
        "b = n * b_batch_stride + k * b_strides[2] + j * b_strides[1]",
        BATCHES,
    ),
    plain(
        "a is taken to be laid out row by row",
        "a = n * a_batch_stride + i * a_strides[1] + k * a_strides[2]",
        "a = n * a_batch_stride + i * a_shape[2] + k",
        BATCHES,
    ),
    plain(
        "the sum goes over the columns of b",
        "for k in range(a_shape[2]):",
        "for k in range(b_shape[2]):",
        BATCHES,
        A_AT_B,
    ),
    plain(
        "the output is taken to be laid out row by row",
        "out[n * out_strides[0] + i * out_strides[1] + j * out_strides[2]] = total",
        "out[(n * out_shape[1] + i) * out_shape[2] + j] = total",
        MATMUL_OUT,
    ),
    plain(
        "the sum of a row goes on in the next cell",
        "            for j in range(out_shape[2]):\n                total = 0.0\n",
        "            total = 0.0\n            for j in range(out_shape[2]):\n",
        BATCHES,
    ),
    blocked(
        "a block reaches beyond the last column of a",
        "for k in range(k0, min(k0 + BLOCK, inner)):",
        "for k in range(k0, k0 + BLOCK):",
        SIZES,
    ),
    blocked(
        "rows beyond the last whole block are left out",
        "down = (rows + BLOCK - 1) // BLOCK",
        "down = max(rows // BLOCK, 1)",
        SIZES,
    ),
    blocked(
        "each block of the sum replaces the one before",
        "tile[i - first, j - left] += total",
        "tile[i - first, j - left] = total",
        SIZES,
    ),
    key(
        "the rows that fill up an odd tile are written as well",
        "        for i in range(height):\n            out_at",
        "        for i in range(height + height % 2):\n            out_at",
        BATCHES,
    ),
    key(
        "matrices are given another shape without being put in row order",
        "a = a.contiguous().view(1, *a.shape)",
        "a = a._new(type(a._tensor)(a._tensor._storage, (1, *a.shape)))",
        A_AT_B,
        OF_MATRICES,
    ),
    functions(
        "the gradient of a is not multiplied by b transposed",
        "f.matrix_multiply(grad_output, transposed(t2)),",
        "f.matrix_multiply(grad_output, t2),",
        OF_MATRICES,
        OF_BATCHES,
    ),
    functions(
        "the gradient of b is multiplied from the wrong side",
        "f.matrix_multiply(transposed(t1), grad_output),",
        "f.matrix_multiply(grad_output, transposed(t1)),",
        OF_MATRICES,
    ),
    functions(
        "a batch is transposed in all of its dimensions",
        "order = [*range(t.dims - 2), t.dims - 1, t.dims - 2]",
        "order = list(range(t.dims))[::-1]",
        OF_BATCHES,
        USES_OF_A,
        USES_OF_B,
    ),
    # What numba makes of it. To compile takes seconds: few, and each for another reason.
    plain(
        "map is not compiled", "return njit(_map, parallel=True)", "return _map", compiles("map")
    ),
    plain(
        "map is compiled in object mode",
        "return njit(_map, parallel=True)",
        "import numba\n\n    return numba.jit(forceobj=True)(_map)",
        compiles("map"),
    ),
    plain(
        "zip keeps its indices in a list of a number and a text",
        ZIP_LOOP,
        "        spare = [0, 'a', len(out)]\n        spare.append(1)\n" + ZIP_LOOP,
        compiles("zip"),
    ),
    plain(
        "reduce formats a text with a width",
        REDUCE_LOOP,
        "        name = f'{len(out):3d}'\n" + REDUCE_LOOP,
        compiles("reduce"),
    ),
    plain(
        "the product catches an exception of one kind",
        MATMUL_LOOP,
        "    try:\n        rows = out_shape[1]\n    except IndexError:\n        rows = 0\n"
        + MATMUL_LOOP,
        compiles("matrix_multiply"),
    ),
    plain(
        "map looks its shapes up in a dict of arrays and numbers",
        MAP_LOOP,
        "        shapes = {'out': out_shape}\n        shapes['cells'] = len(out)\n" + MAP_LOOP,
        compiles("map"),
    ),
    plain(
        "zip is compiled without parallel",
        "return njit(_zip, parallel=True)",
        "return njit(_zip)",
        parallel("zip"),
    ),
    plain(
        "map's loop is a range",
        MAP_LOOP,
        MAP_LOOP.replace("prange", "range"),
        parallel("map"),
    ),
    plain(
        "the product leaves its parallel loop by a break",
        MATMUL_LOOP,
        MATMUL_LOOP.replace(
            "        for i in range",
            "        if n > 1000:\n            break\n        for i in range",
        ),
        parallel("matrix_multiply"),
    ),
    plain(
        "map's parallel loop clears an index, and the one that works is a range",
        MAP_LOOP,
        """\
        out_index = np.zeros(MAX_DIMS, dtype=np.int32)
        in_index = np.zeros(MAX_DIMS, dtype=np.int32)
        for d in prange(len(out_shape)):
            out_index[d] = 0
        for i in range(len(out)):
""",
        parallel("map"),
    ),
    plain(
        "the product's parallel loop has one iteration",
        MATMUL_LOOP,
        "    for _ in prange(1):\n     for n in range(out_shape[0]):\n"
        + MATMUL_LOOP.split("\n", 1)[1],
        parallel("matrix_multiply"),
    ),
    plain(
        "all iterations of map share their indices",
        MAP_LOOP,
        """\
        out_index = np.zeros(MAX_DIMS, dtype=np.int32)
        in_index = np.zeros(MAX_DIMS, dtype=np.int32)
        for i in prange(len(out)):
""",
        apart("map"),
    ),
    plain(
        "reduce goes through its sums in turn",
        REDUCE_LOOP + "            to_index(i, out_shape, out_index)\n",
        REDUCE_LOOP.replace("prange", "range") + "            to_index(i, out_shape, out_index)\n",
        parallel("reduce"),
    ),
    plain.edited(
        "reduce's parallel loop is the one over the cells of a sum",
        [
            (REDUCE_LOOP, REDUCE_LOOP.replace("prange", "range")),
            (
                FOLD,
                """\
            start = index_to_position(out_index, a_strides)
            for s in prange(reduce_size):
                j = start + s * a_strides[reduce_dim]
                out[o] = fn(out[o], a_storage[j])
""",
            ),
        ],
        apart("reduce"),
    ),
    plain(
        "the product's parallel loop is the one over the sum",
        MATMUL_LOOP
        + """\
                for k in range(a_shape[2]):
                    a = n * a_batch_stride + i * a_strides[1] + k * a_strides[2]
                    b = n * b_batch_stride + k * b_strides[1] + j * b_strides[2]
                    total += a_storage[a] * b_storage[b]
                out[n * out_strides[0] + i * out_strides[1] + j * out_strides[2]] = total
""",
        """\
    for k in prange(a_shape[2]):
        for n in range(out_shape[0]):
            for i in range(out_shape[1]):
                for j in range(out_shape[2]):
                    a = n * a_batch_stride + i * a_strides[1] + k * a_strides[2]
                    b = n * b_batch_stride + k * b_strides[1] + j * b_strides[2]
                    o = n * out_strides[0] + i * out_strides[1] + j * out_strides[2]
                    out[o] += a_storage[a] * b_storage[b]
""",
        apart("matrix_multiply"),
    ),
    plain(
        "map keeps its indices in bytes without a sign",
        MAP_LOOP,
        MAP_LOOP.replace("np.int32", "np.uint8"),
        right("map"),
    ),
    plain(
        "map keeps its indices in bytes",
        MAP_LOOP,
        MAP_LOOP.replace("np.int32", "np.int8"),
        right("map"),
    ),
    plain.edited(
        "map counts its cells in a variable that its iterations hand on",
        [
            (MAP_LOOP, "        cell = -1\n" + MAP_LOOP + "            cell += 1\n"),
            (
                "            to_index(i, out_shape, out_index)\n            broadcast_index(out_index, out_shape, in_shape, in_index)\n",
                "            to_index(cell, out_shape, out_index)\n            broadcast_index(out_index, out_shape, in_shape, in_index)\n",
            ),
        ],
        right("map"),
    ),
    plain(
        "numba's compiler is switched off, which a course advises for debugging",
        "import numpy as np\n",
        "import os\n\nimport numpy as np\n\nos.environ['NUMBA_DISABLE_JIT'] = '1'\n",
        compiles("map"),
        compiles("matrix_multiply"),
    ),
    by_hand.edited(
        "all iterations of a loop that stands in a function share their sum",
        [
            (
                "a_strides, size, step):\n        for i in prange(out.size):\n",
                "a_strides, size, step):\n        acc = np.zeros(1)\n        for i in prange(out.size):\n",
            ),
            ("            acc = out[o]\n", "            acc[0] = out[o]\n"),
            (
                "acc = fn(acc, a_storage[a + s * step])\n            out[o] = acc\n",
                "acc[0] = fn(acc[0], a_storage[a + s * step])\n            out[o] = acc[0]\n",
            ),
        ],
        apart("reduce"),
    ),
    wrapped(
        "one of zip's two functions is not compiled: the one with the loop",
        "    @_njit(parallel=True)\n    def _zip(",
        "    def _zip(",
        compiles("zip"),
    ),
    wrapped(
        "zip is done once more in Python, after the compiled kernel",
        "        _zip(*args)\n",
        "        _zip(*args)\n        _zip.py_func(*args)\n",
        compiles("zip"),
    ),
]

# Those whose kernels take seconds to compile, for a reason that another one has as well.
SLOW = {
    "map looks its shapes up in a dict of arrays and numbers",
    "reduce formats a text with a width",
    "the product catches an exception of one kind",
    "reduce goes through its sums in turn",
}
