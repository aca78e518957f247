"""Every method by name, with its paper and the supervision it needs; loads saved hashers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal

from hammingbird.errors import FileError, InputError, MissingExtraError
from hammingbird.hasher import Hasher
from hammingbird.linear import Linear
from hammingbird.outside import Given, Installed, Outside, configured, installed, outside
from hammingbird.storage import Manifest, fingerprint, load_folder

Supervision = Literal["none", "labels", "pairs", "neighbors"]


@dataclass(frozen=True)
class Method:
    """One row of the catalog: where a method lives and what it needs."""

    name: str
    path: str
    """``module:Class`` inside the package, imported on first use."""
    paper: str
    summary: str
    supervision: Supervision = "none"
    extra: str = ""
    """The extra that must be installed, such as ``deep``."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What this row sets on the class beyond its defaults."""

    @property
    def hasher_class(self) -> type[Hasher]:
        """The class, imported now; :class:`MissingExtraError` if its library is not there."""
        module, name = self.path.split(":")
        try:
            loaded: type[Hasher] = getattr(import_module(f"hammingbird.{module}"), name)
        except ModuleNotFoundError as error:
            if self.extra and error.name and not error.name.startswith("hammingbird"):
                raise MissingExtraError(error.name, self.extra) from error
            raise
        return loaded

    def make(self, n_bits: int | None = None, random_state: int | None = None) -> Hasher:
        """Build an unfitted hasher; ``random_state`` is passed on where the method has one."""
        return configured(self.hasher_class(**self.parameters), n_bits, random_state)

    def record(self) -> dict[str, Any]:
        """Name, paper, supervision and the rest as plain values."""
        return {**asdict(self), "parameters": dict(self.parameters)}


PLUGGED = (
    "HashNet", "MIHash", "DPSH", "DHN", "CNNH", "DNNH", "DTSH", "DRSH", "DRSCH", "VDSH",
    "DCH", "DSDH", "DBDH", "GreedyHash", "CSQ",
)  # fmt: skip
"""Methods with a row ``<name>_d``: the posterior plug-in added to the method's own objective."""

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in [
            Method(
                "sign",
                "classical.sign:Sign",
                "common practice: packbits(x > 0)",
                "the sign of each dimension; learns nothing",
            ),
            Method(
                "sign-centered",
                "classical.sign:Sign",
                "common practice",
                "the sign of each dimension minus its mean",
                parameters={"center": True},
            ),
            Method(
                "lsh",
                "classical.lsh:LSH",
                "Charikar, STOC 2002",
                "signs of random Gaussian projections; learns nothing",
            ),
            Method(
                "pca",
                "classical.pca:PCAHash",
                "common practice",
                "signs of the leading principal components",
            ),
            Method(
                "rotated-pca",
                "classical.pca:RotatedPCA",
                "Jegou et al., CVPR 2010",
                "principal components after a random rotation",
            ),
            Method(
                "itq",
                "classical.itq:ITQ",
                "Gong and Lazebnik, CVPR 2011",
                "principal components after the rotation that fits signs best",
            ),
            Method(
                "distilled",
                "classical.distilled:DistilledHash",
                "of this library, after MIHash's unsupervised setting",
                "linear bits learned so that each vector keeps its own neighbours",
            ),
            Method(
                "polysemous",
                "classical.polysemous:Polysemous",
                "Douze, Jegou and Perronnin, ECCV 2016",
                "product quantization whose bytes are numbered so that their bits tell distance",
            ),
            Method(
                "distilled-composite",
                "classical.composite:DistilledComposite",
                "of this library, after Zhang, Du and Wang, ICML 2014",
                "bits of distilled, moved such that vectors of a code's bytes add up to the row",
            ),
            Method(
                "sh",
                "classical.spectral:SpectralHashing",
                "Weiss, Torralba and Fergus, NIPS 2008",
                "signs of sine waves along the principal axes",
            ),
            Method(
                "sgh",
                "classical.sgh:SGH",
                "Dai et al., ICML 2017",
                "bits from which a Gaussian decoder gets the vectors back",
            ),
            Method(
                "ba",
                "classical.autoencoder:BinaryAutoencoder",
                "Carreira-Perpinan and Raziperchikolaei, CVPR 2015",
                "an autoencoder with a step function for a code layer",
            ),
            Method(
                "kmh",
                "classical.kmeans:KMeansHashing",
                "He, Wen and Sun, CVPR 2013",
                "k-means whose centres lie as far apart as their bits say",
            ),
            Method(
                "semantic",
                "classical.semantic:SemanticHashing",
                "Salakhutdinov and Hinton, IJAR 2009",
                "an autoencoder with a noisy code layer, from Boltzmann machines",
            ),
            Method(
                "itq-cca",
                "classical.supervised.itqcca:ITQCCA",
                "Gong and Lazebnik, CVPR 2011",
                "directions that labels correlate with, after the rotation that fits signs best",
                "labels",
            ),
            Method(
                "ksh",
                "classical.supervised.ksh:KSH",
                "Liu et al., CVPR 2012",
                "bits of a kernel, one by one, whose inner products tell similar pairs",
                "labels",
            ),
            Method(
                "sdh",
                "classical.supervised.sdh:SDH",
                "Shen et al., CVPR 2015",
                "discrete bits that classify, then learned by a kernel",
                "labels",
            ),
            Method(
                "splh",
                "classical.supervised.splh:SPLH",
                "Wang, Kumar and Chang, ICML 2010",
                "linear bits that mend the pairs that earlier ones had wrong",
                "labels",
            ),
            Method(
                "usplh",
                "classical.supervised.splh:USPLH",
                "Wang, Kumar and Chang, ICML 2010",
                "linear bits that mend what the cut of earlier ones broke; needs no labels",
            ),
            Method(
                "bre",
                "classical.supervised.bre:BRE",
                "Kulis and Darrell, NIPS 2009",
                "bits whose distances are small for similar pairs, one weight moved at a time",
                "labels",
            ),
            Method(
                "bre-u",
                "classical.supervised.bre:ReconstructiveEmbedding",
                "Kulis and Darrell, NIPS 2009",
                "bits whose distances are those of the vectors; needs no labels",
            ),
            Method(
                "mlh",
                "classical.supervised.mlh:MLH",
                "Norouzi and Fleet, ICML 2011",
                "linear bits by a bound on a hinge of Hamming distances",
                "labels",
            ),
            Method(
                "fasthash",
                "classical.supervised.fasthash:FastHash",
                "Lin et al., CVPR 2014",
                "bits found by graph cuts, then learned by boosted trees",
                "labels",
                "trees",
            ),
            Method(
                "structhash",
                "classical.supervised.structhash:StructHash",
                "Lin, Shen and Wu, ECCV 2014",
                "boosted trees whose weighted Hamming distance ranks well",
                "labels",
                "trees",
            ),
            Method(
                "hashnet",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "balanced pairwise likelihood, tanh sharpened until it is the sign",
                "labels",
                "deep",
            ),
            Method(
                "hashnet+c",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "HashNet that weights similar pairs by the labels they share",
                "labels",
                "deep",
                {"similarity": "jaccard"},
            ),
            Method(
                "hashnet-w",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "HashNet without the balance of similar and dissimilar pairs",
                "labels",
                "deep",
                {"balanced": False},
            ),
            Method(
                "hashnet-sgn",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "HashNet with a plain tanh",
                "labels",
                "deep",
                {"continuation": False},
            ),
            Method(
                "hashnet+",
                "deep.methods.hashnet:HashNet",
                "of this library, after Cao et al., ICCV 2017",
                "HashNet whose stages end at beta 8, which finds more with few bits",
                "labels",
                "deep",
                {"steepest": 8.0},
            ),
            Method(
                "hashnet-fixed",
                "deep.methods.hashnet:HashNet",
                "Cao et al., ICCV 2017",
                "HashNet with tanh(3 z), no stages",
                "labels",
                "deep",
                {"continuation": False, "steepness": 3.0},
            ),
            Method(
                "mihash",
                "deep.methods.mihash:MIHash",
                "Cakir et al., TPAMI 2019",
                "mutual information between code distance and neighbourhood",
                "labels",
                "deep",
            ),
            Method(
                "dpsh",
                "deep.methods.dpsh:DPSH",
                "Li et al., IJCAI 2016",
                "pairwise likelihood against the codes of all training rows",
                "labels",
                "deep",
            ),
            Method(
                "dhn",
                "deep.methods.dhn:DHN",
                "Zhu et al., AAAI 2016",
                "pairwise likelihood with a smooth quantization penalty",
                "labels",
                "deep",
            ),
            Method(
                "cnnh",
                "deep.methods.cnnh:CNNH",
                "Xia et al., AAAI 2014",
                "codes that factor the similarity matrix, then a network that gives them",
                "labels",
                "deep",
            ),
            Method(
                "dnnh",
                "deep.methods.dnnh:DNNH",
                "Lai et al., CVPR 2015",
                "triplet hinge on sigmoid outputs",
                "labels",
                "deep",
            ),
            Method(
                "dtsh",
                "deep.methods.dtsh:DTSH",
                "Wang, Shi and Kitani, ACCV 2016",
                "likelihood of triplets",
                "labels",
                "deep",
            ),
            Method(
                "drsh",
                "deep.methods.drsh:DRSH",
                "Zhao et al., CVPR 2015",
                "triplet hinge weighted as in NDCG by shared labels",
                "labels",
                "deep",
            ),
            Method(
                "drsch",
                "deep.methods.drsch:DRSCH",
                "Zhang et al., TIP 2015",
                "triplet hinge on bits with learned weights, and a Laplacian term",
                "labels",
                "deep",
            ),
            Method(
                "vdsh",
                "deep.methods.vdsh:VDSH",
                "Zhang, Chen and Saligrama, CVPR 2016",
                "a deep net trained layer by layer, without back-propagation",
                "labels",
                "deep",
            ),
            Method(
                "dch",
                "deep.methods.dch:DCH",
                "Cao et al., CVPR 2018",
                "Cauchy likelihood of similarities, for search in a small radius",
                "labels",
                "deep",
            ),
            Method(
                "dsdh",
                "deep.methods.dsdh:DSDH",
                "Li et al., NIPS 2017",
                "pairwise likelihood and discrete codes that give the label",
                "labels",
                "deep",
            ),
            Method(
                "dbdh",
                "deep.methods.dbdh:DBDH",
                "Zheng et al., Neurocomputing 2020",
                "pairwise likelihood of exact, balanced codes",
                "labels",
                "deep",
            ),
            Method(
                "dbdh+",
                "deep.methods.dbdh:DBDH",
                "Zheng et al., Neurocomputing 2020",
                "DBDH with balanced pairs and a gentler scale, for many classes",
                "labels",
                "deep",
                {"balanced": True, "scale": None, "bank": False},
            ),
            Method(
                "greedyhash",
                "deep.methods.greedyhash:GreedyHash",
                "Su et al., NeurIPS 2018",
                "a classifier on the signs, whose gradient passes straight through",
                "labels",
                "deep",
            ),
            Method(
                "greedyhash-u",
                "deep.methods.greedyhash:UnsupervisedGreedyHash",
                "Su et al., NeurIPS 2018",
                "signs with the cosines of the vectors; needs no labels",
                "none",
                "deep",
            ),
            Method(
                "csq",
                "deep.methods.csq:CSQ",
                "Yuan et al., CVPR 2020",
                "codes reach the centre of their class",
                "labels",
                "deep",
            ),
            Method(
                "csq+",
                "deep.methods.csq:CSQ",
                "of this library, after Yuan et al., CVPR 2020",
                "CSQ whose classes take the nearest centres anew after every epoch",
                "labels",
                "deep",
                {"assignment": "nearest"},
            ),
            *(
                Method(
                    f"{name.lower()}_d",
                    f"deep.methods.{name.lower()}:{name}",
                    "Zhu et al., NeurIPS 2022 (Lower Bound)",
                    f"{name} with the posterior of its codes steered to class centres",
                    "labels",
                    "deep",
                    {"posterior": "added"},
                )
                for name in PLUGGED
            ),
            Method(
                "hashnet_d+",
                "deep.methods.hashnet:HashNet",
                "of this library, after Zhu et al., NeurIPS 2022 (Lower Bound)",
                "HashNet_D whose classes take the nearest centres; its surrogate sees flipped bits",
                "labels",
                "deep",
                {"posterior": "added", "assignment": "nearest", "flips": 0.25},
            ),
            Method(
                "deep-distilled",
                "deep.methods.distilled:DeepDistilledHash",
                "of this library, after MIHash's unsupervised setting",
                "any network whose bits keep each vector's own neighbours",
                extra="deep",
            ),
            Method(
                "deep-sgh",
                "deep.methods.sgh:DeepSGH",
                "Dai et al., ICML 2017",
                "SGH with any network, with pairs, or invariant to scale",
                "none",
                "deep",
            ),
        ]
    }
)


UNNAMED = (
    Method("linear", "linear:Linear", "", "the linear map of a deep hasher, without torch"),
    Method("deep", "deep.hasher:DeepHasher", "", "a deep hasher of the user's parts", extra="deep"),
)
"""Classes that no row names, but that can be saved and loaded."""


def methods() -> dict[str, Method | Installed]:
    """Every method by name: those of this library, then those of installed packages.

    A name of this library is never taken by a package, nor a package's by another one.
    """
    found: dict[str, Method | Installed] = dict(METHODS)
    for method in installed():
        taken = found.setdefault(method.name, method)
        if taken is not method:
            owner = taken.package if isinstance(taken, Installed) else "hammingbird"
            warnings.warn(
                f"the method {method.name!r} of {method.package} is left out: "
                f"{owner} has one of that name",
                RuntimeWarning,
                stacklevel=2,
            )
    return found


def get(name: str) -> Method | Installed:
    """Return a method by name (case does not matter), or say which names there are."""
    key = name.strip().lower()
    if key in METHODS:
        return METHODS[key]
    known = methods()
    if key not in known:
        raise InputError(f"no method is called {name!r}: choose from {', '.join(known)}")
    return known[key]


def choose(given: Sequence[Given]) -> dict[str, Method | Installed | Outside]:
    """Return methods by name, of the catalog or from outside (see ``Given``), in their order.

    Raises :class:`InputError` where one name would stand for two methods.
    """
    chosen: dict[str, Method | Installed | Outside] = {}
    for one in given:
        method = get(one) if isinstance(one, str) else outside(one)
        if chosen.setdefault(method.name, method) != method:
            raise InputError(
                f"two methods are called {method.name!r}: name one, ('my-{method.name}', ...)"
            )
    return chosen


def make(name: str, n_bits: int | None = None, random_state: int | None = None) -> Hasher:
    """Build an unfitted hasher by its method's name."""
    return get(name).make(n_bits, random_state)


def configure(hasher: Hasher, settings: Mapping[str, Any]) -> None:
    """Set parameters by name, as text from a command line gives them; refuse what cannot be.

    The code length and the seed are no settings: they have arguments of their own.
    """
    has = hasher.get_params(deep=False)
    for name, value in settings.items():
        if name in ("n_bits", "random_state"):
            raise InputError(f"{name} is not a setting: use --bits and --seed")
        if name not in has:
            raise InputError(f"{type(hasher).__name__} has no parameter {name!r}: {', '.join(has)}")
        for kind, word in _KINDS.items():
            fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
            if type(has[name]) is kind and not (fits or (kind is float and type(value) is int)):
                raise InputError(f"{name} must be {word}, got {value!r}")
    hasher.set_params(**settings)


_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def stamp(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what codes say of the saved hasher that made them: its class and fingerprint."""
    manifest, _ = load_folder(folder, "hasher", verify=False)
    return {"class": manifest["class"], "fingerprint": fingerprint(manifest)}


def load(
    folder: str | os.PathLike[str],
    *,
    encode_only: bool = False,
    classes: Sequence[type[Hasher]] = (),
) -> Hasher:
    """Load a hasher that ``save`` wrote.

    Only classes of this library, of installed packages (entry points ``hammingbird.methods``) and
    ``classes`` of your own are ever built, by the name of the class; a file never says what to
    import.

    With ``encode_only``, or where torch is not installed, a deep hasher of one linear layer comes
    as the :class:`Linear` that it amounts to: the same codes, with NumPy alone, and no torch to
    import. Raises :class:`FileError` for a folder that is foreign, truncated, altered or of a newer
    format.
    """
    manifest, path = load_folder(folder, "hasher")
    name, module = _class_name(manifest), manifest.get("module")
    for own in classes:
        if own.__name__ == name:
            return own._restore(manifest, path)
    if module is not None:
        return _outside_class(path, name, module)._restore(manifest, path)
    for method in [*METHODS.values(), *UNNAMED]:
        if not method.path.endswith(f":{name}"):
            continue
        if encode_only and (linear := Linear.restored(manifest, path)):
            return linear
        try:
            hasher_class = method.hasher_class
        except MissingExtraError:
            if linear := Linear.restored(manifest, path):
                return linear
            raise
        return hasher_class._restore(manifest, path)
    raise FileError(
        f"{path} holds a {name!r}, which this version of hammingbird does not know: "
        "upgrade hammingbird or, if the class is yours, give classes=[it]"
    )


def _class_name(manifest: Manifest) -> Any:
    """The class that was saved, by its name of today."""
    name = manifest.get("class")
    if name == "DistilledHash" and "backbone" in manifest.get("parameters", ()):
        return "DeepDistilledHash"  # as it was called before the linear one had no torch
    return name


def _outside_class(path: os.PathLike[str], name: Any, module: Any) -> type[Hasher]:
    """The class of an installed package that was saved as ``name`` of ``module``."""
    for method in installed():
        if method.path.endswith(f":{name}"):
            return method.hasher_class
    raise FileError(
        f"{path} holds a {name!r} of {module!r}, a class from outside: give it with "
        f"classes=[{name}], or install the package that has it"
    )
