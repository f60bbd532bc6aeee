"""Mistakes in module 3's CUDA kernels."""

from __future__ import annotations

from .mistakes import Kind

cuda = Kind("module3", "minitorch/cuda_ops.py")

MAP, MAP_OUT = "tensor_map applies", "tensor_map writes"
ZIP, ZIP_OUT = "tensor_zip applies", "tensor_zip writes"
MAP_BEYOND, ZIP_BEYOND = "tensor_map: threads beyond", "tensor_zip: threads beyond"
SUM, SUM_FACTS = "sum_practice adds", "sum_practice sums in shared memory"
FOLD, FOLD_OUT = "tensor_reduce folds one dimension with x + y", "tensor_reduce writes"
FOLD_PRODUCT = "tensor_reduce folds one dimension with x * y"
FOLD_MAX = "tensor_reduce folds one dimension with max(x, y)"
FOLD_FACTS = "tensor_reduce folds in shared memory"
SQUARE, SQUARE_FACTS = "mm_practice multiplies", "mm_practice reads"
SMALL = "tensor_matrix_multiply multiplies small"
WIDE = "tensor_matrix_multiply goes through"
LARGE = "tensor_matrix_multiply fills"
MATMUL_OUT = "tensor_matrix_multiply writes to"
MATMUL_FACTS = "tensor_matrix_multiply reads"

# What stands in the file more than once is found by what stands around it.
GUARDED_MAP = """\
        in_index = cuda.local.array(MAX_DIMS, numba.int32)
        ordinal = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if ordinal < out_size:
"""
GUARDED_ZIP = """\
        b_index = cuda.local.array(MAX_DIMS, numba.int32)
        ordinal = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if ordinal < out_size:
"""
MAP_STORE = "out[index_to_position(out_index, out_strides)] = fn(x)\n"
MAP_WORK = """\
        if ordinal < out_size:
            to_index(ordinal, out_shape, out_index)
            broadcast_index(out_index, out_shape, in_shape, in_index)
"""
ZIP_STORE = "out[index_to_position(out_index, out_strides)] = fn(x, y)\n"
SUM_TREE = """\
    cache[place] = a[i] if i < size else 0.0
    cuda.syncthreads()
    reach = THREADS_PER_BLOCK // 2
    while reach > 0:
        if place < reach:
            cache[place] += cache[place + reach]
        cuda.syncthreads()
        reach //= 2
    if place == 0:
        out[cuda.blockIdx.x] = cache[0]
"""
FOLD_LOAD = """\
            cache[place] = reduce_value
        cuda.syncthreads()
"""
FOLD_STEP = """\
                cache[place] = fn(cache[place], cache[place + reach])
            cuda.syncthreads()
"""
SQUARE_LOAD = """\
    if inside:
        a_tile[i, j] = a[i * size + j]
        b_tile[i, j] = b[i * size + j]
    cuda.syncthreads()
"""
TILES_LOADED = """\
        cuda.syncthreads()
        for k in range(THREADS_PER_BLOCK):
"""
TILES_USED = """\
        # Nobody may bring the next tile while another still works on this one.
        cuda.syncthreads()
"""

# A block of 1024 threads takes a while, and these are like others.
SLOW = {
    "reduce: the input is walked along with the strides of the output",
    "reduce: a thread goes by its place in the grid",
    "reduce: the guard lets one thread too many pass",
    "product: only full tiles are used",
    "product: the columns of a are taken to be neighbours",
    "product: what lies outside of a keeps what was there",
}


def without(text: str, line: str) -> str:
    """A text without one of its lines."""
    assert text.count(line) == 1
    return text.replace(line, "")


MISTAKES = [
    # Task 3.3: map
    cuda(
        "map: the guard lets one thread too many pass",
        GUARDED_MAP,
        GUARDED_MAP.replace("ordinal < out_size", "ordinal <= out_size"),
        MAP_BEYOND,
    ),
    cuda(
        "map: there is no guard",
        GUARDED_MAP,
        GUARDED_MAP.replace("ordinal < out_size", "True"),
        MAP_BEYOND,
    ),
    cuda(
        "map: every block does the work of the first",
        GUARDED_MAP,
        GUARDED_MAP.replace("cuda.blockIdx.x * cuda.blockDim.x + ", ""),
        MAP,
    ),
    cuda(
        "map: the grid's size stands for the block's",
        GUARDED_MAP,
        GUARDED_MAP.replace("cuda.blockDim.x", "cuda.gridDim.x"),
        MAP,
    ),
    cuda(
        "map: the output is taken to lie row by row",
        MAP_STORE,
        "out[ordinal] = fn(x)\n",
        MAP_OUT,
    ),
    cuda(
        "map: the input is taken to lie row by row",
        "x = in_storage[index_to_position(in_index, in_strides)]",
        "x = in_storage[ordinal]",
        MAP,
    ),
    cuda(
        "map: the input is not broadcast",
        "broadcast_index(out_index, out_shape, in_shape, in_index)",
        "to_index(ordinal, in_shape, in_index)",
        MAP,
    ),
    cuda(
        "map: the number of cells is that of the input",
        GUARDED_MAP,
        GUARDED_MAP.replace("ordinal < out_size", "ordinal < len(in_storage)"),
        MAP,
    ),
    cuda(
        "map: the threads of a block share one index",
        GUARDED_MAP,
        GUARDED_MAP.replace("local", "shared"),
        MAP_BEYOND,
    ),
    cuda(
        "map: one thread goes through all cells",
        MAP_WORK,
        MAP_WORK.replace(
            "if ordinal < out_size:", "for ordinal in range(0 if ordinal else out_size):"
        ),
        MAP_BEYOND,
    ),
    # zip
    cuda(
        "zip: there is no guard",
        GUARDED_ZIP,
        GUARDED_ZIP.replace("ordinal < out_size", "True"),
        ZIP_BEYOND,
    ),
    cuda(
        "zip: the second input is read with the strides of the first",
        "index_to_position(b_index, b_strides)",
        "index_to_position(b_index, a_strides)",
        ZIP,
    ),
    cuda(
        "zip: the second input is broadcast as the first",
        "broadcast_index(out_index, out_shape, b_shape, b_index)",
        "broadcast_index(out_index, out_shape, a_shape, b_index)",
        ZIP,
    ),
    cuda(
        "zip: the output is taken to lie row by row",
        ZIP_STORE,
        "out[ordinal] = fn(x, y)\n",
        ZIP_OUT,
    ),
    # the practice sum
    cuda(
        "sum: no barrier between bringing and summing",
        SUM_TREE,
        SUM_TREE.replace("0.0\n    cuda.syncthreads()\n", "0.0\n", 1),
        SUM,
        SUM_FACTS,
    ),
    cuda(
        "sum: no barrier between the steps",
        SUM_TREE,
        without(SUM_TREE, "        cuda.syncthreads()\n"),
        SUM,
        SUM_FACTS,
    ),
    cuda(
        "sum: thread 0 sums what the others may not have brought yet",
        SUM_TREE,
        """\
    if i < size:
        cache[place] = a[i]
    if place == 0:
        total = 0.0
        for k in range(min(THREADS_PER_BLOCK, size - i)):
            total += cache[k]
        out[cuda.blockIdx.x] = total
""",
        SUM,
        SUM_FACTS,
    ),
    cuda(
        "sum: the last block adds shared memory that nobody has written",
        "    cache[place] = a[i] if i < size else 0.0\n",
        "    if i < size:\n        cache[place] = a[i]\n",
        SUM,
    ),
    cuda(
        "sum: the last block reads beyond the end",
        "a[i] if i < size else 0.0",
        "a[i]",
        SUM,
    ),
    cuda(
        "sum: shared memory is not used",
        SUM_TREE,
        """\
    if place == 0:
        total = 0.0
        for k in range(i, min(i + THREADS_PER_BLOCK, size)):
            total += a[k]
        out[cuda.blockIdx.x] = total
""",
        SUM_FACTS,
    ),
    cuda(
        "sum: shared memory is touched, and no more",
        SUM_TREE,
        """\
    cache[place] = 0.0
    if place == 0:
        total = cache[place]
        for k in range(i, min(i + THREADS_PER_BLOCK, size)):
            total += a[k]
        out[cuda.blockIdx.x] = total
""",
        SUM_FACTS,
    ),
    cuda(
        "sum: every block sums the first 32",
        "    i = cuda.blockIdx.x * THREADS_PER_BLOCK + place\n    cache",
        "    i = place\n    cache",
        SUM,
    ),
    cuda(
        "sum: threads wait at two different barriers",
        SUM_TREE,
        SUM_TREE.replace(
            "    cache[place] = a[i] if i < size else 0.0\n    cuda.syncthreads()\n",
            "    if i < size:\n"
            "        cache[place] = a[i]\n"
            "        cuda.syncthreads()\n"
            "    else:\n"
            "        cache[place] = 0.0\n"
            "        cuda.syncthreads()\n",
        ),
        SUM,
    ),
    # reduce
    cuda(
        "reduce: no barrier between bringing and folding",
        FOLD_LOAD,
        without(FOLD_LOAD, "        cuda.syncthreads()\n"),
        FOLD,
        FOLD_FACTS,
    ),
    cuda(
        "reduce: no barrier between the steps",
        FOLD_STEP,
        without(FOLD_STEP, "            cuda.syncthreads()\n"),
        FOLD,
        FOLD_FACTS,
    ),
    cuda(
        "reduce: the start value is 0, whatever is folded",
        "            cache[place] = reduce_value\n",
        "            cache[place] = 0.0\n",
        FOLD_PRODUCT,
        FOLD_MAX,
    ),
    cuda(
        "reduce: the last dimension is folded, whichever was asked for",
        "        place = cuda.threadIdx.x\n        to_index(",
        "        place = cuda.threadIdx.x\n"
        "        reduce_dim = len(a_shape) - 1\n"
        "        to_index(",
        FOLD,
    ),
    cuda(
        "reduce: the input is walked along with the strides of the output",
        "cache[place] = a_storage[index_to_position(index, a_strides)]",
        "cache[place] = a_storage[index_to_position(index, out_strides)]",
        FOLD,
    ),
    cuda(
        "reduce: the output is taken to lie row by row",
        "            out[out_position] = cache[0]\n",
        "            out[cuda.blockIdx.x] = cache[0]\n",
        FOLD_OUT,
    ),
    cuda(
        "reduce: the guard lets one thread too many pass",
        "        if at < a_shape[reduce_dim]:\n",
        "        if at <= a_shape[reduce_dim]:\n",
        FOLD,
    ),
    cuda(
        "reduce: a thread goes by its place in the grid",
        "        place = cuda.threadIdx.x\n        to_index(",
        "        place = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x\n        to_index(",
        FOLD,
    ),
    cuda(
        "reduce: all threads add to the output at once",
        "        if place == 0:\n            out[out_position] = cache[0]\n",
        "        if place == 0:\n            out[out_position] = reduce_value\n        cuda.syncthreads()\n"
        "        if place < 2:\n            out[out_position] = fn(out[out_position], cache[0] / 2.0)\n",
        FOLD_FACTS,
    ),
    cuda(
        "reduce: one thread folds all of it, in global memory",
        FOLD_LOAD,
        """\
            cache[place] = reduce_value
        if place == 0:
            total = reduce_value
            for k in range(a_shape[reduce_dim]):
                index[reduce_dim] = k
                total = fn(total, a_storage[index_to_position(index, a_strides)])
            out[out_position] = total
        return
""",
        FOLD_FACTS,
    ),
    # Task 3.4: the practice product
    cuda(
        "square: no barrier between bringing and multiplying",
        SQUARE_LOAD,
        without(SQUARE_LOAD, "    cuda.syncthreads()\n"),
        SQUARE,
        SQUARE_FACTS,
    ),
    cuda(
        "square: only the columns are guarded",
        "inside = i < size and j < size",
        "inside = j < size",
        SQUARE,
    ),
    cuda(
        "square: the block's last row is left out",
        "inside = i < size and j < size",
        "inside = i < size and j < size and i < THREADS_PER_BLOCK - 1",
        SQUARE,
    ),
    cuda(
        "square: the matrices are read from global memory all the time",
        "total += a_tile[i, k] * b_tile[k, j]",
        "total += a[i * size + k] * b[k * size + j]",
        SQUARE_FACTS,
    ),
    cuda(
        "square: the sum is made in the output",
        "            total += a_tile[i, k] * b_tile[k, j]\n        out[i * size + j] = total\n",
        "            out[i * size + j] += a_tile[i, k] * b_tile[k, j]\n",
        SQUARE_FACTS,
    ),
    # matrix multiplication
    cuda(
        "product: no barrier after the tiles are brought",
        TILES_LOADED,
        without(TILES_LOADED, "        cuda.syncthreads()\n"),
        SMALL,
        MATMUL_FACTS,
    ),
    cuda(
        "product: no barrier before the next tiles are brought",
        TILES_USED,
        "",
        WIDE,
        MATMUL_FACTS,
    ),
    cuda(
        "product: the dimensions of the grid are exchanged",
        "    i = cuda.blockIdx.x * THREADS_PER_BLOCK + row\n"
        "    j = cuda.blockIdx.y * THREADS_PER_BLOCK + column\n",
        "    i = cuda.blockIdx.y * THREADS_PER_BLOCK + row\n"
        "    j = cuda.blockIdx.x * THREADS_PER_BLOCK + column\n",
        LARGE,
    ),
    cuda(
        "product: the batch is ignored",
        "    batch = cuda.blockIdx.z\n",
        "    batch = 0\n",
        SMALL,
    ),
    cuda(
        "product: a single matrix is not used again",
        "b_start = batch * b_strides[0] if b_shape[0] > 1 else 0",
        "b_start = batch * b_strides[0]",
        SMALL,
    ),
    cuda(
        "product: only full tiles are used",
        "for first in range(0, inner, THREADS_PER_BLOCK):",
        "for first in range(0, inner - THREADS_PER_BLOCK + 1, THREADS_PER_BLOCK):",
        SMALL,
        WIDE,
    ),
    cuda(
        "product: the last of each tile is left out",
        "for k in range(THREADS_PER_BLOCK):",
        "for k in range(THREADS_PER_BLOCK - 1):",
        WIDE,
    ),
    cuda(
        "product: what lies outside of a keeps what was there",
        "        a_tile[row, column] = 0.0\n",
        "",
        SMALL,
    ),
    cuda(
        "product: the columns of a are taken to be neighbours",
        "a_storage[a_start + i * a_strides[1] + k * a_strides[2]]",
        "a_storage[a_start + i * a_strides[1] + k]",
        SMALL,
    ),
    cuda(
        "product: the output is taken to lie row by row",
        "out[batch * out_strides[0] + i * out_strides[1] + j * out_strides[2]] = total",
        "out[(batch * out_shape[1] + i) * out_shape[2] + j] = total",
        MATMUL_OUT,
    ),
    cuda(
        "product: the output is not guarded",
        "    if i < out_shape[1] and j < out_shape[2]:\n",
        "    if True:\n",
        SMALL,
    ),
]
