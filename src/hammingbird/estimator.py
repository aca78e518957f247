"""What scikit-learn asks of a transformer, without importing scikit-learn before it is used.

Its base classes take seconds to import; a saved model that only encodes needs none of them.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hammingbird.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

Container = Literal["default", "pandas", "polars"]


class Estimator:
    """Parameters by name, tags, and the container of what ``transform`` gives."""

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Names of the constructor's arguments, sorted."""
        if cls.__init__ is object.__init__:
            return []
        arguments = list(inspect.signature(cls.__init__).parameters.values())[1:]
        if any(argument.kind is argument.VAR_POSITIONAL for argument in arguments):
            raise RuntimeError(f"the constructor of {cls.__name__} must name its parameters")
        return sorted(a.name for a in arguments if a.kind is not a.VAR_KEYWORD)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters by name; with ``deep`` also those of estimators among them."""
        found = {}
        for name in self._get_param_names():
            value = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                for inner, own in value.get_params().items():
                    found[f"{name}__{inner}"] = own
            found[name] = value
        return found

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name, or ``name__inner`` of an estimator among them."""
        inner: dict[str, dict[str, Any]] = {}
        names = self._get_param_names()
        for name, value in parameters.items():
            own, nested, rest = name.partition("__")
            if own not in names:
                raise InputError(
                    f"Invalid parameter {own!r} for estimator {self}. "
                    f"Valid parameters are: {names!r}."
                )
            if nested:
                inner.setdefault(own, {})[rest] = value
            else:
                setattr(self, own, value)
        for name, values in inner.items():
            getattr(self, name).set_params(**values)
        return self

    def __repr__(self) -> str:
        """Show the parameters that are not the defaults."""
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_html_(self) -> str:
        from sklearn.utils import estimator_html_repr

        return str(estimator_html_repr(self))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn's tools may expect of this estimator."""
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
        )

    def set_output(self, *, transform: Container | None = None) -> Self:
        """Choose what holds the values of ``transform``: an array (``default``) or a data frame."""
        if transform is not None:
            if transform not in ("default", "pandas", "polars"):
                raise InputError(
                    f"transform must be 'default', 'pandas' or 'polars', got {transform!r}"
                )
            self._sklearn_output_config = {"transform": transform}  # clone copies it by this name
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return names of the columns of ``transform``: the class and a number."""
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{i}" for i in range(self._n_features_out)], object)

    @property
    def _n_features_out(self) -> int:
        """Columns of ``transform``."""
        raise NotImplementedError

    def _contained(self, values: NDArray[Any], X: Any) -> Any:
        """``values`` in the container that was asked for; the rows of a frame keep their index."""
        chosen = getattr(self, "_sklearn_output_config", {}).get("transform")
        if chosen is None and "sklearn" in sys.modules:  # which else nobody has configured
            import sklearn

            chosen = sklearn.get_config()["transform_output"]
        if chosen == "pandas":
            import pandas

            index = X.index if isinstance(X, pandas.DataFrame | pandas.Series) else None
            return pandas.DataFrame(values, index=index, columns=self.get_feature_names_out())
        if chosen == "polars":
            import polars

            names = self.get_feature_names_out().tolist()
            return polars.DataFrame(values, schema=names, orient="row")
        return values


def check_is_fitted(estimator: Any) -> None:
    """Raise scikit-learn's ``NotFittedError`` before the first fit."""
    if not hasattr(estimator, "n_bits_"):
        from sklearn.exceptions import NotFittedError

        raise NotFittedError(
            f"This {type(estimator).__name__} instance is not fitted yet. Call 'fit' with "
            "appropriate arguments before using this estimator."
        )


def check_random_state(seed: Any) -> np.random.RandomState:
    """Return the generator of a seed: a whole number, a generator to go on with, or None."""
    if isinstance(seed, np.random.RandomState):
        return seed
    if seed is None or (isinstance(seed, int | np.integer) and not isinstance(seed, bool)):
        return np.random.RandomState(seed)
    raise InputError(
        f"random_state must be None, a whole number or a numpy.random.RandomState, got {seed!r}"
    )
