"""A module for the example of docs/environments.md."""

import os


def greeting():
    return f"{os.environ['GREETING']} from {__file__}"
