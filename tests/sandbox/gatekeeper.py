"""Checks the EHR's tokens as a CDS service by the book would, with nothing of the sandbox's or the service's own."""

from typing import Any

import jwt
import requests


class Gatekeeper:
    """Trusts one issuer, whose keys it fetches anew for every token; it remembers every token it let in."""

    def __init__(self) -> None:
        self.issuer = ""
        self.jwks_url = ""
        self.admitted: list[dict[str, Any]] = []

    def admits(self, authorization: str, url: str) -> bool:
        """Tell whether the token is good, for this URL, and new."""
        token = authorization.removeprefix("Bearer ")
        try:
            header = jwt.get_unverified_header(token)
            assert (header["typ"], header["jku"]) == ("JWT", self.jwks_url)
            keys = jwt.PyJWKSet.from_dict(requests.get(self.jwks_url, timeout=5).json())
            claims = jwt.decode(
                token,
                keys[header["kid"]],
                algorithms=["ES384", "RS384"],
                audience=url,
                issuer=self.issuer,
                options={"require": ["iss", "aud", "iat", "exp", "jti"]},
            )
        except (jwt.PyJWTError, KeyError):
            return False
        if claims["jti"] in {known["jti"] for known in self.admitted}:
            return False
        self.admitted.append(claims)
        return True
