"""The corner shop and its bundles, as the tests of bundles have them."""

from tests.bundle.conftest import (  # noqa: F401
    churn_folder,
    corner_shop,
    folder,
    own_key,
    popularity,
    provenance,
)
