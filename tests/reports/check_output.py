#!/usr/bin/env python3
"""Reads a file that hetero-report wrote with parsers that are not ours.

  check_output.py html|xml|report|compare|history FILE

html: tags close in order, ids are unique, there are charts, and scripts are either data or those whose hashes the
page's own policy names; xml: well-formed; report, compare, history: JSON that fits the schema under
reports/schema. Exit codes: 0 fits, 1 does not, 77 a schema cannot be checked, since no jsonschema is installed.
"""
import base64
import hashlib
import html.parser
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "reports" / "schema"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.problems, self.counts = [], set(), [], {}
        self.policy, self.script, self.script_type = "", "", ""

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            if name == "id":
                if value in self.ids:
                    self.problems.append(f"the id {value} is there twice")
                self.ids.add(value)
        if tag not in VOID:
            self.open.append(tag)
        attributes = dict(attrs)
        if tag == "script":
            self.script_type, self.script = attributes.get("type", ""), ""
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.script += data  # the parser may cut it

    def check_script(self):
        named = "'sha256-" + base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode() + "'"
        if self.script_type == "application/json":
            json.loads(self.script)
        elif named not in self.policy:
            self.problems.append(f"line {self.getpos()[0]}: a script that the policy does not name")

    def handle_startendtag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if tag == "script":
            self.check_script()
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"line {self.getpos()[0]}: </{tag}> closes nothing")


def check_html(text):
    tags = Tags()
    tags.feed(text)
    tags.close()
    problems = tags.problems + [f"<{tag}> is never closed" for tag in tags.open]
    if not re.match("default-src 'none'; style-src 'unsafe-inline'; script-src( 'sha256-[A-Za-z0-9+/]{43}='){2};", tags.policy):
        problems.append(f"the policy allows more or less than it should: {tags.policy}")
    if not tags.counts.get("canvas"):
        problems.append("there is no chart")
    return problems


def check_schema(name, text):
    try:
        import jsonschema
    except ImportError:
        # The distribution's package belongs to the distribution's Python.
        if sys.executable != "/usr/bin/python3" and subprocess.run(
                ["/usr/bin/python3", "-c", "import jsonschema"], capture_output=True, check=False).returncode == 0:
            sys.exit(subprocess.run(["/usr/bin/python3", *sys.argv], check=False).returncode)
        print("check_output.py: no jsonschema; apt-get install python3-jsonschema", file=sys.stderr)
        sys.exit(77)
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
            for e in jsonschema.Draft7Validator(schema).iter_errors(json.loads(text))]


def main():
    form, path = sys.argv[1:]
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if form == "html":
        problems = check_html(text)
    elif form == "xml":
        try:
            xml.etree.ElementTree.fromstring(text.encode())
            problems = []
        except xml.etree.ElementTree.ParseError as error:
            problems = [str(error)]
    else:
        problems = check_schema(form, text)
    for problem in problems:
        print(f"{path}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
