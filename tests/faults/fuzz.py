"""To come."""


def options(parser):
    pass


def run(arguments):
    return 0
