"""A fitted model to a bundle: writing, model card, item index, parity, refresh."""

import sys

from growthlab.bundle import bundle
from growthlab.export import old_pyfunc_names

# the code of pyfunc models that were logged up to version 0.1 imports these names
sys.modules.setdefault(f"{__name__}.bundle", bundle)
sys.modules.setdefault(f"{__name__}.tables", old_pyfunc_names)
