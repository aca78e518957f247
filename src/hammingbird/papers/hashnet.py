"""HashNet: Tables 1 and 3, and the curves of Figures 2 to 4."""

from __future__ import annotations

from hammingbird.papers.curves import Curves
from hammingbird.papers.published import COCO, NUS_81
from hammingbird.papers.sources import imagenet100_features, tmc2007
from hammingbird.papers.tables import Row, Table

BITS = (16, 32, 48, 64)
HASHNET = Row("hashnet", (0.5059, 0.6306, 0.6633, 0.6835))
NUS_HASHNET = Row("hashnet", (0.6623, 0.6988, 0.7114, 0.7163))
COCO_HASHNET = Row("hashnet", (0.6873, 0.7184, 0.7301, 0.7362))

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

NUS_TABLE1 = Table(
    "hashnet-table1-nus",
    NUS_81,
    "NUS-WIDE-81, AlexNet",
    "map@5000",
    BITS,
    (
        Row("lsh", (0.3283, 0.4227, 0.4333, 0.5009)),
        Row("sh", (0.4058, 0.4209, 0.4211, 0.4104)),
        Row("itq", (0.5086, 0.5425, 0.5580, 0.5611)),
        Row("bre", (0.5027, 0.5290, 0.5475, 0.5546)),
        Row("ksh", (0.3561, 0.3327, 0.3124, 0.3368)),
        Row("itq-cca", (0.4598, 0.4052, 0.3732, 0.3467)),
        Row("sdh", (0.4756, 0.5545, 0.5786, 0.5812)),
        Row("cnnh", (0.5696, 0.5827, 0.5926, 0.5996)),
        Row("dnnh", (0.5976, 0.6158, 0.6345, 0.6388)),
        Row("dhn", (0.6374, 0.6637, 0.6692, 0.6714)),
        NUS_HASHNET,
    ),
    stand_in=tmc2007,
)

COCO_TABLE1 = Table(
    "hashnet-table1-coco",
    COCO,
    "MS COCO, AlexNet",
    "map@5000",
    BITS,
    (
        Row("lsh", (0.4592, 0.4856, 0.5440, 0.5849)),
        Row("sh", (0.4951, 0.5071, 0.5099, 0.5101)),
        Row("itq", (0.5818, 0.6243, 0.6460, 0.6574)),
        Row("bre", (0.5920, 0.6224, 0.6300, 0.6336)),
        Row("ksh", (0.5212, 0.5343, 0.5343, 0.5361)),
        Row("itq-cca", (0.5659, 0.5624, 0.5297, 0.5019)),
        Row("sdh", (0.5545, 0.5642, 0.5723, 0.5799)),
        Row("cnnh", (0.5642, 0.5744, 0.5711, 0.5671)),
        Row("dnnh", (0.5932, 0.6034, 0.6045, 0.6099)),
        Row("dhn", (0.6774, 0.7013, 0.6948, 0.6944)),
        COCO_HASHNET,
    ),
    stand_in=tmc2007,
)

LABEL_SETS = Table(
    "hashnet-table3-sets",
    COCO,
    "MS COCO, AlexNet",
    "map@5000",
    BITS,
    (
        Row("hashnet+c", (0.6876, 0.7261, 0.7371, 0.7419)),
        COCO_HASHNET,
        Row("hashnet-w", (0.6853, 0.7174, 0.7297, 0.7348)),
        Row("hashnet-sgn", (0.6449, 0.6891, 0.7056, 0.7138)),
    ),
    stand_in=tmc2007,
)

NUS_TABLE3 = Table(
    "hashnet-table3-nus",
    NUS_81,
    "NUS-WIDE-81, AlexNet",
    "map@5000",
    BITS,
    (
        Row("hashnet+c", (0.6646, 0.7024, 0.7209, 0.7259)),
        NUS_HASHNET,
        Row("hashnet-w", (0.6400, 0.6638, 0.6788, 0.6933)),
        Row("hashnet-sgn", (0.6603, 0.6770, 0.6921, 0.7020)),
    ),
    stand_in=tmc2007,
)

CURVES = Curves("hashnet-fig2", IMAGENET100, 64)
NUS_CURVES = Curves("hashnet-fig3", NUS_TABLE1, 64)
COCO_CURVES = Curves("hashnet-fig4", COCO_TABLE1, 64)
