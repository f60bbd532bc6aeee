"""Mistakes in module 2."""

from __future__ import annotations

from .mistakes import Kind
from .module1 import BREADTH_FIRST, PREORDER, SORT

operators = Kind("module2", "minitorch/operators.py")
autodiff = Kind("module2", "minitorch/autodiff.py")
data = Kind("module2", "minitorch/tensor_data.py")
ops = Kind("module2", "minitorch/tensor_ops.py")
functions = Kind("module2", "minitorch/tensor_functions.py")
tensor = Kind("module2", "minitorch/tensor.py")

PERMUTED = "TensorData.permute reorders"
BROADCAST = "shape_broadcast gives"
SMALLER = "broadcast_index finds"
MAP_IN, MAP_BROADCAST, MAP_OUT = "tensor_map reads", "tensor_map stretches", "tensor_map writes"
ZIP_IN, ZIP_BROADCAST, ZIP_OUT = "tensor_zip reads", "tensor_zip stretches", "tensor_zip writes"
SUM, PRODUCT = (
    "tensor_reduce folds one dimension with x + y",
    "tensor_reduce folds one dimension with x * y",
)
REUSED = "A tensor that is used more than once"
TWICE, FORGOTTEN = "A second backward adds", "zero_grad_ forgets"
MUL_GRADIENTS = "The gradients of tensor * tensor"
ADD_GRADIENTS = "The gradients of tensor + tensor"

# The quick way of each kernel holds for row-major tensors of one shape.
MAP_QUICK = """\
            tuple(in_shape) == tuple(out_shape)
            and row_by_row(out_shape, out_strides)
            and row_by_row(in_shape, in_strides)
"""
ZIP_QUICK = """\
            tuple(a_shape) == tuple(b_shape) == tuple(out_shape)
            and row_by_row(out_shape, out_strides)
            and row_by_row(a_shape, a_strides)
            and row_by_row(b_shape, b_strides)
"""
MAP_STORE = "out[index_to_position(out_index, out_strides)] = fn(float(x))\n"
ZIP_STORE = "out[index_to_position(out_index, out_strides)] = fn(float(x), float(y))\n"
REDUCE = """\
            result = float(out[out_position])
            for _ in range(a_shape[reduce_dim]):
"""

MISTAKES = [
    # Task 2.1
    data(
        "the strides are taken in reverse",
        "int(strides[dim])",
        "int(strides[-1 - dim])",
        "index_to_position",
    ),
    data(
        "the last stride is taken to be 1",
        "    return position\n",
        "    return position + int(index[-1]) * (1 - int(strides[-1]))\n",
        "index_to_position",
    ),
    data(
        "to_index never moves along the first dimension",
        "for dim in range(len(shape) - 1, -1, -1):",
        "out_index[0] = 0\n    for dim in range(len(shape) - 1, 0, -1):",
        "to_index",
    ),
    data(
        "to_index divides by the first side everywhere",
        "divmod(rest, int(shape[dim]))",
        "divmod(rest, int(shape[0]))",
        "to_index",
    ),
    data(
        "to_index wraps every dimension by itself",
        "rest, out_index[dim] = divmod(rest, int(shape[dim]))",
        "out_index[dim] = rest % int(shape[dim])",
        "to_index",
    ),
    data(
        "to_index puts the flat number into the last place",
        "    rest = int(ordinal)\n",
        "    out_index[:] = 0\n    out_index[-1] = ordinal\n    return\n    rest = int(ordinal)\n",
        "to_index",
    ),
    data(
        "permute applies the inverse order",
        "        shape = tuple(self.shape[dim] for dim in order)\n",
        "        order = [order.index(dim) for dim in range(self.dims)]\n"
        "        shape = tuple(self.shape[dim] for dim in order)\n",
        PERMUTED,
        "permute(...)",
    ),
    data(
        "permute reorders the shape and not the strides",
        "strides = tuple(self.strides[dim] for dim in order)",
        "strides = self.strides",
        PERMUTED,
    ),
    data(
        "permute reorders the strides and not the shape",
        "shape = tuple(self.shape[dim] for dim in order)",
        "shape = self.shape",
        PERMUTED,
    ),
    data(
        "permute gives the new shape row-major strides",
        "return TensorData(self._storage, shape, strides)",
        "return TensorData(self._storage, shape)",
        PERMUTED,
    ),
    data(
        "permute starts from row-major strides",
        "strides = tuple(self.strides[dim] for dim in order)",
        "strides = tuple(strides_from_shape(self.shape)[dim] for dim in order)",
        "TensorData.permute of a permuted tensor",
    ),
    data(
        "permute reverses, whatever the order",
        "        shape = tuple(self.shape[dim] for dim in order)\n",
        "        order = range(self.dims)[::-1]\n        shape = tuple(self.shape[dim] for dim in order)\n",
        PERMUTED,
    ),
    data(
        "permute changes the tensor itself",
        "        return TensorData(self._storage, shape, strides)\n",
        "        self.__init__(self._storage, shape, strides)\n        return self\n",
        "permute(...)",
    ),
    # Task 2.2
    data.edited(
        "shapes are aligned at the left",
        [
            (
                "padded1 = (1,) * (dims - len(shape1)) + tuple(shape1)",
                "padded1 = tuple(shape1) + (1,) * (dims - len(shape1))",
            ),
            (
                "padded2 = (1,) * (dims - len(shape2)) + tuple(shape2)",
                "padded2 = tuple(shape2) + (1,) * (dims - len(shape2))",
            ),
        ],
        BROADCAST,
        "shape_broadcast raises",
    ),
    data(
        "shapes that do not fit are joined all the same",
        "        if size1 != size2 and size1 != 1 and size2 != 1:\n",
        "        if False:\n",
        "shape_broadcast raises",
    ),
    data(
        "a side that divides the other one is taken to fit",
        "if size1 != size2 and size1 != 1 and size2 != 1:",
        "if size1 % size2 and size2 % size1:",
        "shape_broadcast raises",
    ),
    data(
        "shapes that do not fit raise a ValueError",
        'raise IndexingError(f"shapes {tuple(shape1)}',
        'raise ValueError(f"shapes {tuple(shape1)}',
        "shape_broadcast raises",
    ),
    data(
        "shapes of different lengths are refused",
        "    dims = max(len(shape1), len(shape2))\n",
        "    if len(shape1) != len(shape2):\n        raise IndexingError('lengths')\n"
        "    dims = max(len(shape1), len(shape2))\n",
        BROADCAST,
    ),
    data(
        "the broadcast shape comes out backwards",
        "    return tuple(result)\n",
        "    return tuple(result[::-1])\n",
        BROADCAST,
    ),
    data(
        "only the second shape may be stretched",
        "size1 != size2 and size1 != 1 and size2 != 1",
        "size1 != size2 and size2 != 1",
        BROADCAST,
    ),
    data(
        "broadcast_index aligns at the left",
        "else big_index[lacking + dim]",
        "else big_index[dim]",
        SMALLER,
        MAP_BROADCAST,
        ZIP_BROADCAST,
    ),
    data(
        "broadcast_index moves along a side of 1",
        "0 if size == 1 else big_index[lacking + dim]",
        "big_index[lacking + dim]",
        SMALLER,
        ZIP_BROADCAST,
    ),
    data(
        "broadcast_index goes to the end of a side of 1",
        "0 if size == 1 else big_index[lacking + dim]",
        "big_shape[lacking + dim] - 1 if size == 1 else big_index[lacking + dim]",
        SMALLER,
    ),
    # Task 2.3: kernels
    ops(
        "tensor_map ignores the strides of its input",
        MAP_QUICK,
        MAP_QUICK.replace("            and row_by_row(in_shape, in_strides)\n", ""),
        MAP_IN,
        "-tensor",
    ),
    ops.edited(
        "tensor_map counts through its output's storage",
        [
            (
                MAP_QUICK,
                MAP_QUICK.replace(
                    "            and row_by_row(out_shape, out_strides)\n",
                    "            and False\n",
                ),
            ),
            (MAP_STORE, "out[ordinal] = fn(float(x))\n"),
        ],
        MAP_OUT,
    ),
    ops(
        "tensor_map reads its input at the output's index",
        "            broadcast_index(out_index, out_shape, in_shape, in_index)\n",
        "            in_index = out_index\n",
        MAP_BROADCAST,
    ),
    ops(
        "tensor_map reads its input at the output's position",
        "x = in_storage[index_to_position(in_index, in_strides)]",
        "x = in_storage[index_to_position(in_index, out_strides)]",
        MAP_IN,
    ),
    ops.edited(
        "tensor_map drops the fraction of each number",
        [
            (
                "[fn(x) for x in in_storage[:cells].tolist()]",
                "[fn(int(x)) for x in in_storage[:cells].tolist()]",
            ),
            (MAP_STORE, MAP_STORE.replace("float(x)", "int(x)")),
        ],
        MAP_IN,
    ),
    ops(
        "tensor_map leaves the last cell out",
        "        for ordinal in range(cells):\n            to_index(ordinal, out_shape, out_index)\n"
        "            broadcast_index(out_index, out_shape, in_shape, in_index)\n",
        "        for ordinal in range(cells - 1):\n            to_index(ordinal, out_shape, out_index)\n"
        "            broadcast_index(out_index, out_shape, in_shape, in_index)\n",
        MAP_IN,
    ),
    ops(
        "tensor_map works in its input's storage",
        "            out[:cells] = [fn(x) for x in in_storage[:cells].tolist()]\n",
        "            in_storage[:cells] = [fn(x) for x in in_storage[:cells].tolist()]\n"
        "            out[:cells] = in_storage[:cells]\n",
        MAP_IN,
        "-tensor",
    ),
    ops(
        "tensor_zip ignores the strides of its second input",
        ZIP_QUICK,
        ZIP_QUICK.replace("            and row_by_row(b_shape, b_strides)\n", ""),
        ZIP_IN,
    ),
    ops(
        "tensor_zip reads its second input by the strides of the first",
        "index_to_position(b_index, b_strides)",
        "index_to_position(b_index, a_strides[-len(b_index):])",
        ZIP_IN,
    ),
    ops.edited(
        "tensor_zip counts through its output's storage",
        [(ZIP_STORE, "out[ordinal] = fn(float(x), float(y))\n")],
        ZIP_OUT,
    ),
    ops(
        "tensor_zip gives its function the inputs in reverse",
        ZIP_STORE,
        ZIP_STORE.replace("float(x), float(y)", "float(y), float(x)"),
        ZIP_IN,
    ),
    ops(
        "tensor_zip broadcasts its first input only",
        "            broadcast_index(out_index, out_shape, b_shape, b_index)\n",
        "            b_index = out_index[len(out_shape) - len(b_shape) :]\n",
        ZIP_BROADCAST,
    ),
    ops(
        "tensor_zip takes row-major inputs for a row-major output",
        ZIP_QUICK,
        ZIP_QUICK.replace("            and row_by_row(out_shape, out_strides)\n", ""),
        ZIP_OUT,
    ),
    ops(
        "tensor_reduce starts from 0", "result = float(out[out_position])", "result = 0.0", PRODUCT
    ),
    ops(
        "tensor_reduce counts the first cell twice",
        "result = float(out[out_position])",
        "result = float(a_storage[a_position])",
        SUM,
    ),
    ops(
        "tensor_reduce keeps the last cell alone",
        REDUCE + "                result = fn(result,",
        REDUCE + "                result = fn(float(out[out_position]),",
        SUM,
    ),
    ops(
        "tensor_reduce leaves the last cell out",
        "range(a_shape[reduce_dim])",
        "range(a_shape[reduce_dim] - 1)",
        SUM,
    ),
    ops(
        "tensor_reduce always walks along the first dimension",
        "a_strides[reduce_dim])",
        "a_strides[0])",
        SUM,
        "tensor.sum(dim)",
    ),
    ops(
        "tensor_reduce takes the folded dimension for the last one",
        "step = int(a_strides[reduce_dim])",
        "step = 1",
        SUM,
    ),
    ops(
        "tensor_reduce reads by the output's strides",
        "index_to_position(index, a_strides)",
        "index_to_position(index, out_strides)",
        SUM,
    ),
    ops(
        "tensor_reduce counts through its output's storage",
        "out_position = index_to_position(index, out_strides)",
        "out_position = ordinal",
        "tensor_reduce writes",
    ),
    ops(
        "tensor_reduce folds as many cells as the output has",
        "range(a_shape[reduce_dim])",
        "range(count_cells(out_shape))",
        SUM,
    ),
    ops(
        "tensor_reduce works in its input's storage",
        "                a_position += step\n",
        "                a_storage[a_position] = result\n                a_position += step\n",
        SUM,
        "tensor.sum(dim)",
    ),
    # Task 2.3: functions
    operators(
        "is_close is true within one", "abs(x - y) < 1e-2", "abs(x - y) < 1.0", "tensor.is_close"
    ),
    operators(
        "is_close is true within 0.02", "abs(x - y) < 1e-2", "abs(x - y) < 2e-2", "tensor.is_close"
    ),
    operators(
        "is_close is true within 0.005",
        "abs(x - y) < 1e-2",
        "abs(x - y) < 5e-3",
        "tensor.is_close",
    ),
    operators(
        "eq is a comparison with a small tolerance",
        "1.0 if x == y else 0.0",
        "1.0 if abs(x - y) < 1e-8 else 0.0",
        "tensor == tensor",
    ),
    operators("is_close asks for equality", "abs(x - y) < 1e-2", "x == y", "tensor.is_close"),
    operators(
        "is_close forgets the absolute value",
        "abs(x - y) < 1e-2",
        "x - y < 1e-2",
        "tensor.is_close",
    ),
    functions(
        "== calls is_close", "a.f.eq_zip(a, b)", "a.f.is_close_zip(a, b)", "tensor == tensor"
    ),
    functions(
        "< looks at the operands in reverse",
        "a.f.lt_zip(a, b)",
        "a.f.lt_zip(b, a)",
        "tensor < tensor",
        "tensor > tensor",
    ),
    functions("Log.forward calls exp", "t1.f.log_map(t1)", "t1.f.exp_map(t1)", "tensor.log()"),
    tensor(
        "a > b asks whether a < b",
        "LT.apply(self._ensure_tensor(b), self)",
        "LT.apply(self, self._ensure_tensor(b))",
        "tensor > tensor",
    ),
    tensor(
        "a - b is b - a",
        "Add.apply(self, -self._ensure_tensor(b))",
        "Add.apply(-self, self._ensure_tensor(b))",
        "tensor - tensor",
    ),
    tensor(
        "number + tensor is tensor - number",
        "        return self + b\n",
        "        return self - b\n",
        "number + tensor",
    ),
    tensor(
        "a - number adds",
        "Add.apply(self, -self._ensure_tensor(b))",
        "Add.apply(self, -b if isinstance(b, Tensor) else self._ensure_tensor(b))",
        "tensor - number",
    ),
    tensor(
        "number / tensor is tensor / number",
        "return Mul.apply(self._ensure_tensor(b), Inv.apply(self))",
        "return self / b",
        "number / tensor",
    ),
    tensor(
        "< works with tensors alone",
        "LT.apply(self, self._ensure_tensor(b))",
        "LT.apply(self, b)",
        "tensor < number",
    ),
    tensor("relu() calls Sigmoid", "ReLU.apply(self)", "Sigmoid.apply(self)", "tensor.relu()"),
    functions(
        "sum drops the dimension that it sums",
        "        return a.f.add_reduce(a, int(dim.item()))\n",
        "        out, at = a.f.add_reduce(a, int(dim.item())), int(dim.item())\n"
        "        shape = tuple(out.shape[:at]) + tuple(out.shape[at + 1 :])\n"
        "        return a._new(TensorData(out._tensor._storage, shape or (1,)))\n",
        "tensor.sum(dim)",
    ),
    tensor(
        "sum() sums the first dimension only",
        "            return Sum.apply(self.contiguous().view(self.size), self._ensure_tensor(0))\n",
        "            return Sum.apply(self, self._ensure_tensor(0))\n",
        "tensor.sum()",
    ),
    tensor(
        "sum(0) is taken for sum()",
        "        if dim is None:\n            return Sum.apply(",
        "        if not dim:\n            return Sum.apply(",
        "tensor.sum(dim)",
    ),
    tensor(
        "mean does not divide",
        "self.sum(dim) / (self.size if dim is None else self.shape[dim])",
        "self.sum(dim)",
        "tensor.mean(dim)",
        "tensor.mean()",
    ),
    tensor(
        "mean(dim) divides by the number of all cells",
        "(self.size if dim is None else self.shape[dim])",
        "self.size",
        "tensor.mean(dim)",
    ),
    tensor(
        "mean divides by the first side",
        "(self.size if dim is None else self.shape[dim])",
        "self.shape[0]",
        "tensor.mean()",
    ),
    functions(
        "all() is any()",
        "a.f.mul_reduce(a, int(dim.item()))",
        "a.f.add_reduce(a, int(dim.item()))",
        "tensor.all()",
    ),
    functions(
        "permute moves the numbers by the inverse order",
        "        return a._new(a._tensor.permute(*dims))\n",
        "        return a._new(a._tensor.permute(*[dims.index(k) for k in range(len(dims))]))\n",
        "permute(...)",
    ),
    functions(
        "view reads the numbers column by column",
        "        return a._new(TensorData(a._tensor._storage, tuple(to_ints(shape))))\n",
        "        shape = tuple(to_ints(shape))\n"
        "        strides = tuple(math.prod(shape[:k]) for k in range(len(shape)))\n"
        "        return a._new(TensorData(a._tensor._storage, shape, strides))\n",
        "view(...)",
    ),
    # Task 2.4: Functions
    functions(
        "Mul.backward swaps its gradients",
        "return grad_output.f.mul_zip(grad_output, b), grad_output.f.mul_zip(grad_output, a)",
        "return grad_output.f.mul_zip(grad_output, a), grad_output.f.mul_zip(grad_output, b)",
        "Mul.backward",
        MUL_GRADIENTS,
    ),
    functions(
        "Mul.backward leaves the upstream gradient out",
        "return grad_output.f.mul_zip(grad_output, b), grad_output.f.mul_zip(grad_output, a)",
        "return b, a",
        "Mul.backward",
        MUL_GRADIENTS,
    ),
    functions(
        "Sigmoid.backward leaves the upstream gradient out",
        "return f.mul_zip(grad_output, slope)",
        "return slope",
        "Sigmoid.backward",
    ),
    functions(
        "Sigmoid.backward forgets 1 - s",
        "f.mul_zip(f.sigmoid_map(t1), f.sigmoid_map(f.neg_map(t1)))",
        "f.sigmoid_map(t1)",
        "Sigmoid.backward",
    ),
    functions(
        "ReLU.backward leaves the upstream gradient out",
        "grad_output.f.relu_back_zip(t1, grad_output)",
        "t1.f.lt_zip(t1.zeros(), t1)",
        "ReLU.backward",
    ),
    functions(
        "ReLU.backward exchanges input and gradient",
        "grad_output.f.relu_back_zip(t1, grad_output)",
        "grad_output.f.relu_back_zip(grad_output, t1)",
        "ReLU.backward",
    ),
    functions(
        "Log.backward leaves the upstream gradient out",
        "grad_output.f.log_back_zip(t1, grad_output)",
        "t1.f.inv_map(t1)",
        "Log.backward",
    ),
    functions(
        "Log.backward exchanges input and gradient",
        "grad_output.f.log_back_zip(t1, grad_output)",
        "grad_output.f.log_back_zip(grad_output, t1)",
        "Log.backward",
    ),
    operators(
        "log_back leaves the upstream gradient out",
        "return d / x",
        "return 1.0 / x",
        "Log.backward",
    ),
    functions(
        "Exp.backward leaves the upstream gradient out",
        "grad_output.f.mul_zip(grad_output, result)",
        "result",
        "Exp.backward",
    ),
    functions(
        "Exp saves its input where backward wants the output",
        "ctx.save_for_backward(result)",
        "ctx.save_for_backward(t1)",
        "Exp.backward",
    ),
    functions(
        "Permute.backward applies the same order again",
        "grad_output._tensor.permute(*inverse)",
        "grad_output._tensor.permute(*order)",
        "Permute.backward",
        "The gradient of permute",
    ),
    functions(
        "Permute.backward gives the gradient back as it came",
        "grad_output._new(grad_output._tensor.permute(*inverse)), 0.0",
        "grad_output, 0.0",
        "Permute.backward",
    ),
    functions.edited(
        "Exp keeps its result on the class",
        [
            ("ctx.save_for_backward(result)", "Exp.result = result"),
            (
                "(result,) = ctx.saved_values\n        return grad_output.f.mul_zip(grad_output, result)",
                "return grad_output.f.mul_zip(grad_output, Exp.result)",
            ),
        ],
        "tensor.exp() remembers",
    ),
    functions.edited(
        "Permute keeps its order on the class",
        [
            ("ctx.save_for_backward(dims)", "Permute.order = dims"),
            ("(order,) = ctx.saved_values", "order = Permute.order"),
        ],
        "Gradients through a whole graph",
    ),
    functions.edited(
        "Mul keeps its inputs on the class",
        [
            (
                "ctx.save_for_backward(a, b)\n        return a.f.mul_zip(a, b)",
                "Mul.saved = (a, b)\n        return a.f.mul_zip(a, b)",
            ),
            ("a, b = ctx.saved_values", "a, b = Mul.saved"),
        ],
        REUSED,
    ),
    functions(
        "the gradient goes through <",
        "        a_shape, b_shape = ctx.saved_values\n        return grad_output.zeros(a_shape), grad_output.zeros(b_shape)\n"
        "        # end solution\n\n\nclass EQ(",
        "        return grad_output, grad_output\n\n\nclass EQ(",
        "No gradient flows through tensor <",
    ),
    functions(
        "View.backward keeps the new shape",
        "return grad_output._new(TensorData(in_order._tensor._storage, shape)), 0.0",
        "return grad_output, 0.0",
        "The gradient of view",
    ),
    # Task 2.4: broadcasting and the graph
    tensor(
        "gradients are not summed over broadcast axes",
        "(x, x.expand(self._ensure_tensor(d)))",
        "(x, self._ensure_tensor(d))",
        MUL_GRADIENTS,
        ADD_GRADIENTS,
    ),
    tensor(
        "gradients are summed over the first broadcast axis only",
        "                grad = self.f.add_reduce(grad, dim)\n",
        "                grad = self.f.add_reduce(grad, dim)\n                break\n",
        MUL_GRADIENTS,
    ),
    tensor(
        "axes are matched at the left when gradients are summed",
        "padded = (1,) * (len(shape) - self.dims) + tuple(self.shape)",
        "padded = tuple(self.shape) + (1,) * (len(shape) - self.dims)",
        ADD_GRADIENTS,
    ),
    tensor(
        "gradients are summed for shapes of one length only",
        "        if other.shape == self.shape:\n",
        "        if other.shape == self.shape or len(other.shape) != len(self.shape):\n",
        MUL_GRADIENTS,
    ),
    tensor(
        "a broadcast axis is averaged where it should be summed",
        "                grad = self.f.add_reduce(grad, dim)\n",
        "                grad = self.f.add_reduce(grad, dim)\n"
        "                grad = self.f.mul_zip(grad, self._ensure_tensor(1.0 / shape[dim]))\n",
        ADD_GRADIENTS,
    ),
    functions(
        "the gradient of sum is shared among its cells",
        "return grad_output, 0.0\n\n\nclass All",
        "return grad_output / 2.0, 0.0\n\n\nclass All",
        "The gradient of tensor.sum(dim)",
    ),
    autodiff("breadth-first order in place of a topological one", SORT, BREADTH_FIRST, REUSED),
    autodiff(
        "a node is put down when it is first seen, before what else uses it", SORT, PREORDER, REUSED
    ),
    autodiff(
        "a contribution overwrites the one before",
        "                d_parent = arriving[parent.unique_id] + d_parent\n",
        "                pass\n",
        REUSED,
        "Gradients through a whole graph",
    ),
    autodiff(
        "contributions are added up inside a tensor that others hold as well",
        "                d_parent = arriving[parent.unique_id] + d_parent\n",
        "                arriving[parent.unique_id]._tensor._storage += d_parent._tensor._storage\n"
        "                continue\n",
        REUSED,
    ),
    autodiff(
        "what the search has seen is remembered for ever",
        "    seen: set[int] = set()\n",
        "    seen = topological_sort.__dict__.setdefault('seen', set())\n",
        TWICE,
        FORGOTTEN,
    ),
    tensor(
        "a leaf keeps the last gradient only",
        "self.grad = (self.zeros() if self.grad is None else self.grad) + x",
        "self.grad = x",
        TWICE,
    ),
    tensor(
        "a leaf adds to a gradient that another leaf holds as well",
        "        self.grad = (self.zeros() if self.grad is None else self.grad) + x\n",
        "        if self.grad is None:\n            self.grad = x\n        else:\n"
        "            self.grad._tensor._storage += x._tensor._storage\n",
        TWICE,
    ),
    tensor(
        "zero_grad_ forgets that the tensor asks for a gradient",
        'gradient collected so far."""\n        self.grad = None',
        'gradient collected so far."""\n        self.history = None',
        FORGOTTEN,
    ),
    tensor(
        "zero_grad_ does nothing",
        'gradient collected so far."""\n        self.grad = None',
        'gradient collected so far."""',
        FORGOTTEN,
    ),
    tensor(
        "number + tensor loses where the tensor came from",
        "        return self + b\n",
        "        return self.detach() + b\n",
        "The gradient goes through every operation",
    ),
    tensor(
        "number / tensor loses where the tensor came from",
        "return Mul.apply(self._ensure_tensor(b), Inv.apply(self))",
        "return Mul.apply(self._ensure_tensor(b), Inv.apply(self.detach()))",
        "The gradient goes through every operation",
    ),
    autodiff.edited(
        "backward goes into constants",
        [
            (" and not node.is_constant():", ":"),
            ("            if parent.is_constant():\n                continue\n", ""),
        ],
        "The gradient of tensor.mean(dim)",
    ),
    # Task 2.5
    tensor(
        "every gradient has the wrong sign",
        "self.grad = (self.zeros() if self.grad is None else self.grad) + x",
        "self.grad = (self.zeros() if self.grad is None else self.grad) - x",
        "Tensors learn the data set 'xor'",
        "Tensors learn the data set 'circle'",
    ),
    tensor(
        "a gradient collects nothing",
        "self.grad = (self.zeros() if self.grad is None else self.grad) + x",
        "self.grad = self.zeros()",
        "Tensors learn the data set 'split'",
    ),
]
