"""Different: named_parameters is a dict, parameters its values, and the mode is a word, as in 2020."""

# ruff: noqa


class Module:
    def __init__(self):
        self._modules = {}
        self._parameters = {}
        self.mode = "train"

    def modules(self):
        return self.__dict__["_modules"].values()

    def train(self):
        self.mode = "train"
        for child in self.modules():
            child.train()

    def eval(self):
        self.mode = "eval"
        [child.eval() for child in self.modules()]

    def named_parameters(self):
        found = dict(self._parameters)
        for name, child in self._modules.items():
            found.update({name + "." + k: v for k, v in child.named_parameters().items()})
        return found

    def parameters(self):
        return self.named_parameters().values()

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
