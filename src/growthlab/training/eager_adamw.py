"""AdamW for networks that run as they are written: nothing of torch.compile is loaded."""

from __future__ import annotations

from inspect import unwrap

import torch
from torch.optim import AdamW


class EagerAdamW(AdamW):
    """The same steps to the last bit; a process that trains begins earlier.

    torch's decorators around these methods import the compiler at their first call, whose 900 modules
    take as long as torch itself, and speak to it alone. One of them also turns gradients off, as here.
    """

    add_param_group = unwrap(AdamW.add_param_group)
    zero_grad = unwrap(AdamW.zero_grad)
    state_dict = unwrap(AdamW.state_dict)
    load_state_dict = unwrap(AdamW.load_state_dict)
    step = torch.no_grad()(unwrap(AdamW.step))
