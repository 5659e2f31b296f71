#!/usr/bin/env python3
"""Reads a file that hetero-report wrote with parsers that are not ours.

  check_output.py html|xml|report|compare FILE

html: tags close in order and ids are unique; xml: well-formed; report, compare: JSON that fits the schema under
reports/schema. Exit codes: 0 fits, 1 does not, 77 a schema cannot be checked, since no jsonschema is installed.
"""
import html.parser
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "reports" / "schema"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.problems, self.counts = [], set(), [], {}

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            if name == "id":
                if value in self.ids:
                    self.problems.append(f"the id {value} is there twice")
                self.ids.add(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"line {self.getpos()[0]}: </{tag}> closes nothing")


def check_html(text):
    tags = Tags()
    tags.feed(text)
    tags.close()
    problems = tags.problems + [f"<{tag}> is never closed" for tag in tags.open]
    if tags.counts.get("script"):
        problems.append("there is a script")
    if not tags.counts.get("svg"):
        problems.append("there is no drawing")
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
