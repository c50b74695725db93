"""Documentation for people: what each service asks for and answers, and the models behind it. No patients' figures."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response, make_response, render_template
from markupsafe import Markup

from cds_hooks.catalogue import Catalogue
from cds_hooks.policy import ModelRelease, Policy, Release
from cds_hooks.protocol.cards import Indicator
from cds_hooks.protocol.discovery import SPECIFICATION
from cds_hooks.service import Assessor, Service
from cds_hooks.web.markup import html_of
from cds_hooks.web.settings import Authentication
from models.features.feature import Feature
from models.parameters import FILE_NAME, Parameter, load
from models.risk_model import Output, RiskModel
from models.rule_rows import Ruled, RuleRow

# Our own style sheet and nothing else: no script, no frame, no form, nothing from another site.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CACHE = "public, max-age=60"
_NO_CARD = Markup()


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One model as its page section shows it."""

    release: ModelRelease
    title: str
    citation: str
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    parameters: tuple[Parameter, ...]
    rules: tuple[RuleRow, ...]
    card: Markup


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One service as its page shows it."""

    service: Service
    release: Release
    models: tuple[ModelPage, ...]

    @property
    def required(self) -> frozenset[str]:
        """Give the prefetch keys that no model of the service can do without."""
        return self.service.required_keys


@dataclass(frozen=True, slots=True)
class Supported:
    """What a CDS client can count on, and what it will not meet (DISC-19)."""

    specification: str
    hooks: tuple[str, ...]
    indicators: tuple[str, ...]
    link_hosts: tuple[str, ...]
    is_authenticated: bool


@dataclass(slots=True)
class Pages:
    """The pages, made anew for each request: they are read by few, and always right."""

    catalogue: Catalogue
    policy: Policy
    authentication: Authentication
    held_back: Callable[[str], Mapping[str, int]]

    def services(self) -> Response:
        """GET /: every service, and what is supported, on one page."""
        pages = [self._page(service) for service in self.catalogue.services]
        return self._answer("services.html", pages=pages, supported=self._supported())

    def _supported(self) -> Supported:
        entries = self.catalogue.entries(self.policy)
        hosts = {host for service in self.catalogue.services for host in self.policy.link_hosts(service)}
        return Supported(
            specification=SPECIFICATION,
            hooks=tuple(sorted({f"{entry.hook} {entry.hook_version or ''}".rstrip() for entry in entries})),
            indicators=tuple(indicator.value for indicator in Indicator),
            link_hosts=tuple(sorted(hosts)),
            is_authenticated=self.authentication is Authentication.REQUIRED,
        )

    def service(self, service_id: str) -> Response:
        """GET /services/{id}; one that is switched off has no page either."""
        page = self._page(self.catalogue.get(service_id, self.policy))
        return self._answer("service.html", page=page, held_back=self.held_back(service_id))

    def _answer(self, template: str, **values: object) -> Response:
        # Links are paths: a reader may have come by another name of this host than the base URL's.
        base_url = self.policy.base_url
        response = make_response(render_template(template, base=urlsplit(base_url).path, base_url=base_url, **values))
        response.headers.update(
            {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": _CACHE}
        )
        return response

    def _page(self, service: Service) -> ServicePage:
        releases = self.policy.models(service)
        pages = (_model_page(each, release) for each, release in zip(service.assessors, releases, strict=True))
        return ServicePage(service, self.policy.release(service), tuple(pages))


def _model_page(assessor: Assessor, release: ModelRelease) -> ModelPage:
    """Show what the assessor says of itself; a hospital's own need not be a RiskModel, nor have a folder of ours."""
    model = assessor if isinstance(assessor, RiskModel) else None
    texts = _texts_in(_folder_of(assessor))
    return ModelPage(
        release=release,
        title=model.title if model else texts.title or release.id,
        citation=model.citation if model else texts.citation,
        features=tuple(model.features) if model else (),
        outputs=tuple(assessor.outputs),
        parameters=texts.parameters,
        rules=_rules_of(assessor),
        card=texts.card,
    )


def _rules_of(assessor: Assessor) -> tuple[RuleRow, ...]:
    return tuple(assessor.rows) if isinstance(assessor, Ruled) else ()


@dataclass(frozen=True, slots=True)
class _Texts:
    title: str = ""
    citation: str = ""
    parameters: tuple[Parameter, ...] = ()
    card: Markup = _NO_CARD


def _folder_of(assessor: Assessor) -> Path:
    """Find the folder of an assessor: beside its own class, or for the models that share RiskModel its parameters'."""
    if isinstance(assessor, RiskModel):
        return assessor.parameters.folder
    return Path(inspect.getfile(type(assessor))).parent


def _texts_in(folder: Path) -> _Texts:
    """Read what lies in the model's folder beside its code."""
    card = folder / "CARD.md"
    parameters = load(folder) if (folder / FILE_NAME).is_file() else None
    return _Texts(
        title=parameters.title if parameters else "",
        citation=parameters.citation if parameters else "",
        parameters=tuple(parameters.by_name.values()) if parameters else (),
        card=html_of(card.read_text(encoding="utf-8")) if card.is_file() else _NO_CARD,
    )
