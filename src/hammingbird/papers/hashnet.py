"""HashNet: Tables 1 and 3, and the curves of Figures 2 to 4."""

from __future__ import annotations

from hammingbird.papers.curves import Curves
from hammingbird.papers.sources import imagenet100_features, tmc2007
from hammingbird.papers.tables import Row, Table

BITS = (16, 32, 48, 64)
HASHNET = Row("hashnet", (0.5059, 0.6306, 0.6633, 0.6835))

IMAGENET100 = Table(
    "hashnet-table1",
    imagenet100_features,
    "ImageNet-100, AlexNet",
    "map@1000",
    BITS,
    (
        Row("lsh", (0.1007, 0.2350, 0.3121, 0.3596)),
        Row("sh", (0.2066, 0.3280, 0.3951, 0.4191)),
        Row("itq", (0.3255, 0.4620, 0.5170, 0.5520)),
        Row("bre", (0.0628, 0.2525, 0.3300, 0.3578)),
        Row("ksh", (0.1599, 0.2976, 0.3422, 0.3943)),
        Row("itq-cca", (0.2659, 0.4362, 0.5479, 0.5764)),
        Row("sdh", (0.2985, 0.4551, 0.5549, 0.5852)),
        Row("cnnh", (0.2812, 0.4498, 0.5245, 0.5538)),
        Row("dnnh", (0.2903, 0.4605, 0.5301, 0.5645)),
        Row("dhn", (0.3106, 0.4717, 0.5419, 0.5732)),
        HASHNET,
    ),
)

VARIANTS = Table(
    "hashnet-table3",
    imagenet100_features,
    "ImageNet-100, AlexNet",
    "map@1000",
    BITS,
    (
        HASHNET,
        Row("hashnet-w", (0.3350, 0.4852, 0.5668, 0.5992)),
        Row("hashnet-sgn", (0.4249, 0.5450, 0.5828, 0.6061)),
        Row("hashnet-fixed", None),
        Row("hashnet+", None),
    ),
)

LABEL_SETS = Table(
    "hashnet-table3-sets",
    tmc2007,
    "MS COCO, AlexNet",
    "map@5000",
    BITS,
    (
        Row("hashnet+c", (0.6876, 0.7261, 0.7371, 0.7419)),
        Row("hashnet", (0.6873, 0.7184, 0.7301, 0.7362)),
        Row("hashnet-w", (0.6853, 0.7174, 0.7297, 0.7348)),
        Row("hashnet-sgn", (0.6449, 0.6891, 0.7056, 0.7138)),
    ),
)

CURVES = Curves("hashnet-fig2", IMAGENET100, 64)
SETS_CURVES = Curves("hashnet-fig4", LABEL_SETS, 64)
