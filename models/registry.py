"""Finds the models: every folder of this package that holds a MODEL; none is listed by hand."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

import models
from models.risk_model import RiskModel


@cache
def calculators() -> Mapping[str, RiskModel]:
    """Give every model that can be used with plain values, by id, in order of id."""
    found = [
        module.MODEL
        for folder in iter_modules(models.__path__)
        if folder.ispkg
        for module in (import_module(f"models.{folder.name}"),)
        if isinstance(getattr(module, "MODEL", None), RiskModel)
    ]
    return MappingProxyType({model.id: model for model in sorted(found, key=lambda model: model.id)})
