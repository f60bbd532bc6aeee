"""Different: named_parameters and parameters are generators, children first; train and eval walk a stack."""

# ruff: noqa


class Module:
    def __init__(self):
        self._modules = {}
        self._parameters = {}
        self.training = True

    def modules(self):
        return self.__dict__["_modules"].values()

    def train(self):
        self._switch(True)

    def eval(self):
        self._switch(False)

    def _switch(self, mode):
        waiting = [self]
        while waiting:
            node = waiting.pop()
            node.training = mode
            waiting.extend(node.modules())

    def named_parameters(self, above=""):
        for name, child in self._modules.items():
            yield from child.named_parameters(f"{above}{name}.")
        for name, parameter in self._parameters.items():
            yield above + name, parameter

    def parameters(self):
        for child in self.modules():
            yield from child.parameters()
        yield from self._parameters.values()

    def add_parameter(self, k, v):
        val = Parameter(v, k)
        self.__dict__["_parameters"][k] = val
        return val

    def __setattr__(self, key, val):
        if isinstance(val, Parameter):
            self.__dict__["_parameters"][key] = val
        elif isinstance(val, Module):
            self.__dict__["_modules"][key] = val
        else:
            super().__setattr__(key, val)

    def __getattr__(self, key):
        if key in self.__dict__["_parameters"]:
            return self.__dict__["_parameters"][key]
        if key in self.__dict__["_modules"]:
            return self.__dict__["_modules"][key]

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)


class Parameter:
    def __init__(self, x=None, name=None):
        self.value = x
        self.name = name

    def update(self, x):
        self.value = x

    def __repr__(self):
        return repr(self.value)
