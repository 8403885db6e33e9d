#!/usr/bin/env python3
"""Reads a page of differences as a reader without a script does, and prints its text, tables and flame graphs line by line.

Fails when the page asks for anything but itself, has an inline style or handler, or its script and style are not those that its
content security policy names.   Usage: read_page.py FILE"""
import base64
import hashlib
import re
import sys
from html.parser import HTMLParser

VOID = {"meta", "br", "rect"}
BREAKS = {"p", "h1", "h2", "tr", "li", "caption", "dl", "title", "summary", "svg", "g", "button"}
ALLOWED = {"html", "head", "body", "main", "meta", "title", "style", "script", "h1", "h2", "p", "strong", "code", "dl", "dt", "dd", "section", "table",
           "caption", "thead", "tbody", "tr", "th", "td", "bdi", "br", "small", "span", "details", "summary", "svg", "g", "rect", "text", "ul", "li", "a"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.lines, self.line, self.stack, self.bad, self.raw, self.policy = [], "", [], [], {}, ""

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in ALLOWED:
            self.bad.append("element %s" % tag)
        for key, value in attrs.items():
            if key.startswith("on") or key in ("style", "src") or (key == "href" and not value.startswith(("https://", "#"))):
                self.bad.append("%s=%s" % (key, value))
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag in BREAKS and not (tag == "title" and "g" in self.stack):
            self.end_line()
        if tag == "g":
            self.line = "  " * int(attrs["data-d"]) + "[%s] " % attrs["class"].split()[1]
        if tag in ("td", "th") and self.line:
            self.line += " | "
        if tag == "td" and attrs.get("class", "").startswith("n "):
            self.line += "(%s) " % attrs["class"][2:]
        if tag == "dd":
            self.line += ":"
        if tag == "br":
            self.line += " "
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.stack or self.stack[-1] != tag:
            self.bad.append("</%s> inside %s" % (tag, self.stack[-3:]))
            return
        self.stack.pop()
        if tag in BREAKS:
            self.end_line()

    def handle_data(self, data):
        inside = self.stack[-1] if self.stack else ""
        if inside in ("script", "style"):
            self.raw[inside] = self.raw.get(inside, "") + data
        elif inside != "text":
            self.line += " ".join(data.split()) and data.replace("\n", " ")

    def end_line(self):
        if self.line.strip():
            self.lines.append(self.line.rstrip())
        self.line = ""


def main():
    page = Page()
    with open(sys.argv[1], encoding="utf-8") as f:
        page.feed(f.read())
    page.close()
    if page.stack:
        page.bad.append("not closed: %s" % page.stack)
    for inside in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.raw[inside].encode()).digest()).decode()
        if "%s-src 'sha256-%s'" % (inside, digest) not in page.policy:
            page.bad.append("the policy does not name the %s" % inside)
    if not page.policy.startswith("default-src 'none'; ") or re.search(r"unsafe|https?:|\*", page.policy):
        page.bad.append("policy: %s" % page.policy)
    print("\n".join(page.lines[1:]))  # the first is the window's title
    for what in page.bad:
        print("page: %s" % what, file=sys.stderr)
    return 1 if page.bad else 0


if __name__ == "__main__":
    sys.exit(main())
