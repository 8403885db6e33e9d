#!/usr/bin/env python3
"""Checks that text reports are fit for a terminal: valid UTF-8, at most 100 columns, no control or hidden character.

Usage: check_text.py FILE…
"""
import sys
import unicodedata

COLUMNS = 100


def width(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def breaches(text):
    for number, line in enumerate(text.split("\n"), 1):
        if width(line) > COLUMNS:
            yield f"{number}: {width(line)} columns wide"
        if line != line.rstrip():
            yield f"{number}: ends in a space"
        for c in line:
            if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cs"):
                yield f"{number}: has U+{ord(c):04X}"


def main():
    failed = False
    for name in sys.argv[1:]:
        with open(name, "rb") as file:
            for breach in breaches(file.read().decode("utf-8")):
                print(f"{name}:{breach}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
