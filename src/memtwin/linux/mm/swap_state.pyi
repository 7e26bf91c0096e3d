"""Made by ``make stubs`` from swap_state.py and swap_state.pxd."""


