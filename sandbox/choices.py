"""What can be chosen about a call, as words; a command line offers them without loading what they choose."""

from typing import Final, Literal, get_args

# How the EHR prefetches.
Prefetching = Literal["complete", "none", "partial", "paged", "failing"]
PREFETCHINGS: Final[tuple[Prefetching, ...]] = get_args(Prefetching)

# How the token of a call is: `replayed` is a good one that has been used before.
TokenState = Literal["good", "absent", "expired", "audience", "key", "replayed"]
TOKEN_STATES: Final[tuple[TokenState, ...]] = get_args(TokenState)

# What the EHR can sign with.
Algorithm = Literal["ES384", "RS384"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
