"""The networks of `ringloom models` as PyTorch modules, with the state dict names that ringloom's checkpoints have.

    net = build("googlenet")

Input is one grey image of side(name) pixels, values in [0, 1]; there are ten classes. Every network is an
nn.Sequential, so a name is a path of indices, such as "1.0.weight", with the members of Inception in the two
levels in between.
"""
import torch
from torch import nn
from torch.nn.functional import relu

CLASSES = 10


class Inception(nn.Module):
    """Four branches joined channel by channel (Szegedy et al., Going deeper with convolutions, 2015).

    c1 to c4 are the channels of the branches' convolutions. `factor` says how wide windows are split: "" not at all,
    "3x3" a 5x5 into two 3x3, "1x3" also each 3x3 into 1x3 and 3x1 (Szegedy et al., Rethinking the Inception
    architecture, 2016). `norm` normalises the result.
    """

    def __init__(self, inputs, c1, c2, c3, c4, factor="", norm=False):
        super().__init__()
        self.branches = []
        self.outputs = c1 + c2[1] + c3[1] + c4
        self.branch("p1", inputs, conv(c1, 1))
        if factor == "":
            self.branch("p2", inputs, conv(c2[0], 1), conv(c2[1], 3, padding=1))
            self.branch("p3", inputs, conv(c3[0], 1), conv(c3[1], 5, padding=2))
        elif factor == "3x3":
            self.branch("p2", inputs, conv(c2[0], 1), conv(c2[1], 3, padding=1))
            self.branch("p3", inputs, conv(c3[0], 1), *[conv(c3[1], 3, padding=1)] * 2)
        elif factor == "1x3":
            pair = lambda channels: [conv(channels, (1, 3), padding=1), conv(channels, (3, 1))]
            self.branch("p2", inputs, conv(c2[0], 1), *pair(c2[1]))
            self.branch("p3", inputs, conv(c3[0], 1), *pair(c3[1]) * 2)
        else:
            raise ValueError(f"no factorisation {factor!r}")
        self.p4_1 = nn.MaxPool2d(3, stride=1, padding=1)
        self.p4_2 = nn.Conv2d(inputs, c4, 1)
        if norm:
            self.bn = nn.BatchNorm2d(self.outputs)

    def branch(self, name, channels, *layers):
        """Add the convolutions NAME_1, NAME_2 and so on as a branch."""
        members = []
        for i, make in enumerate(layers, 1):
            layer = make(channels)
            channels = layer.out_channels
            setattr(self, f"{name}_{i}", layer)
            members.append(f"{name}_{i}")
        self.branches.append(members)

    def forward(self, x):
        results = []
        for members in self.branches:
            y = x
            for name in members:
                y = relu(getattr(self, name)(y))
            results.append(y)
        results.append(relu(self.p4_2(self.p4_1(x))))
        y = torch.cat(results, dim=1)
        return self.bn(y) if hasattr(self, "bn") else y


class ResidualInception(Inception):
    """relu(bn(conv1x1(Inception)) + shortcut) (Szegedy et al., Inception-v4, 2017). The shortcut is the input, or where
    channels change its normalised 1x1 convolution."""

    def __init__(self, inputs, *channels):
        super().__init__(inputs, *channels, factor="3x3")
        self.mix = nn.Conv2d(self.outputs, self.outputs, 1, bias=False)
        self.mix_bn = nn.BatchNorm2d(self.outputs)
        self.projected = inputs != self.outputs
        if self.projected:
            self.shortcut = nn.Conv2d(inputs, self.outputs, 1, bias=False)
            self.shortcut_bn = nn.BatchNorm2d(self.outputs)

    def forward(self, x):
        y = self.mix_bn(self.mix(super().forward(x)))
        return relu(y + (self.shortcut_bn(self.shortcut(x)) if self.projected else x))


def conv(channels, kernel, **options):
    """A convolution whose number of input channels is yet to be said."""
    return lambda inputs: nn.Conv2d(inputs, channels, kernel, **options)


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, CLASSES))


def alexnet(small=False):
    hidden = lambda inputs: [nn.Linear(inputs, 4096), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(
        nn.Conv2d(1, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        *([] if small else [nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()]),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        *hidden(256 * 5 * 5), *([] if small else hidden(4096)), nn.Linear(4096, CLASSES))


def vgg(side, channels, hidden):
    """Blocks of one, one, two, two and two convolutions."""
    blocks, inputs = [], 1
    for n, outputs in zip((1, 1, 2, 2, 2), channels):
        layers = []
        for _ in range(n):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        blocks.append(nn.Sequential(*layers, nn.MaxPool2d(2, 2)))
    return nn.Sequential(
        *blocks, nn.Flatten(), nn.Linear(inputs * (side // 32) ** 2, hidden), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, CLASSES))


def vgg_tiny(side):
    return vgg(side, (4, 8, 16, 32, 32), 256)


def vgg11(side):
    return vgg(side, (64, 128, 256, 512, 512), 4096)


def nin():
    def block(inputs, outputs, kernel, **options):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, **options), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1), nn.ReLU(), nn.Conv2d(outputs, outputs, 1), nn.ReLU())
    return nn.Sequential(
        block(1, 96, 11, stride=4), nn.MaxPool2d(3, 2), block(96, 256, 5, padding=2), nn.MaxPool2d(3, 2),
        block(256, 384, 3, padding=1), nn.MaxPool2d(3, 2), nn.Dropout(0.5), block(384, CLASSES, 3, padding=1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten())


# The channels of GoogLeNet's Inception blocks, between its poolings.
INCEPTIONS = (
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    ((192, (96, 208), (16, 48), 64), (160, (112, 224), (24, 64), 64), (128, (128, 256), (24, 64), 64),
     (112, (144, 288), (32, 64), 64), (256, (160, 320), (32, 128), 128)),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)


def googlenet(block, norm=False):
    """block(inputs, c1, c2, c3, c4) makes an Inception block; norm normalises the convolutions of the stem."""
    bn = lambda channels: [nn.BatchNorm2d(channels)] if norm else []
    pool = lambda: nn.MaxPool2d(3, 2, padding=1)
    stages, inputs = [], 192
    for channels in INCEPTIONS:
        stages.append([])
        for c in channels:
            stages[-1].append(block(inputs, *c))
            inputs = stages[-1][-1].outputs
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 64, 7, stride=2, padding=3), *bn(64), nn.ReLU(), pool()),
        nn.Sequential(nn.Conv2d(64, 64, 1), *bn(64), nn.Conv2d(64, 192, 3, padding=1), *bn(192), pool()),
        nn.Sequential(*stages[0], pool()),
        nn.Sequential(*stages[1], pool()),
        nn.Sequential(*stages[2], nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(inputs, CLASSES))


MODELS = {
    "lenet": (28, lenet),
    "alexnet": (224, alexnet),
    "alexnet-small": (224, lambda: alexnet(small=True)),
    "vgg-tiny": (224, lambda: vgg_tiny(224)),
    "vgg-tiny-96": (96, lambda: vgg_tiny(96)),
    "vgg11": (224, lambda: vgg11(224)),
    "vgg11-96": (96, lambda: vgg11(96)),
    "nin": (224, nin),
    "googlenet": (96, lambda: googlenet(Inception)),
    "googlenet-bn": (96, lambda: googlenet(lambda *c: Inception(*c, norm=True), norm=True)),
    "googlenet-v2": (96, lambda: googlenet(lambda *c: Inception(*c, factor="3x3"))),
    "googlenet-v3": (96, lambda: googlenet(lambda *c: Inception(*c, factor="1x3"))),
    "googlenet-res": (96, lambda: googlenet(ResidualInception)),
}


def build(name):
    """A network with PyTorch's own initial values."""
    return MODELS[name][1]()


def side(name):
    """The height and width of a network's input in pixels."""
    return MODELS[name][0]
