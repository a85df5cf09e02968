"""The one exception for bad input: it names the field at fault and the remedy."""


class InputError(ValueError):
    """Bad input from the user. The command line prints its text and exits with code 2."""
