"""Looks into an index that runs, with Django's own eyes: one process for many questions."""

import ast
import subprocess
import sys

from portal.env import BASE_DIR
from tests.stack import Stack

LOOP = """
import sys
from django.db import close_old_connections
from accounts import access_tokens
from accounts.models import *
from repositories.models import *
for line in sys.stdin:
    close_old_connections()
    try:
        print("=", repr(eval(line)), flush=True)
    except Exception as error:
        print("!", repr(error), flush=True)
"""


class Inside:
    """``inside("Tag.objects.count()")`` is that expression's value, if Python can read its repr."""

    def __init__(self, index: Stack) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-c", LOOP],
            cwd=BASE_DIR,
            env=index.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, expression: str) -> object:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(expression.replace("\n", " ") + "\n")
        self.process.stdin.flush()
        while line := self.process.stdout.readline():
            if line.startswith("! "):
                raise RuntimeError(f"{expression}: {line[2:]}")
            if line.startswith("= "):
                return ast.literal_eval(line[2:])
        raise RuntimeError("the process that looks inside has ended")

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
