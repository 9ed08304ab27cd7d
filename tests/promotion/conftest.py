"""The corner shop and its bundles, from the tests of bundles."""

from tests.bundle.conftest import (  # noqa: F401
    churn_folder,
    corner_shop,
    folder,
    own_key,
    popularity,
    provenance,
)
