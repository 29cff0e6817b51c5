"""Single layers on an emulated microcontroller: instructions, flash and RAM of dense and sparse ones."""
