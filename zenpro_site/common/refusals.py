"""How an action says no."""


class Refused(Exception):
    """The change breaks a rule; the text is a sentence for people. Nothing has been written."""
