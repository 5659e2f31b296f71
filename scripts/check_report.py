#!/usr/bin/env python3
"""Opens a page of hetero-report html in headless Chromium and looks at it: light, dark, on a phone, as print, without
scripts, and with the keyboard.

  scripts/check_report.py REPORT.html [--keep FOLDER]

Fails when the console has an error, when anything was requested but the page itself, when a chart or drawing lacks the
pixels of a colour that it should have, when something is wider than a phone, when arrow keys say nothing, or when a
table is missing where scripts are off. --keep leaves screenshots and the PDF in FOLDER. Talks to Chromium over its
debugging pipe, so it needs Python's standard library only. Chromium: apt-get install chromium.
Exit codes: 0 good, 1 not, 2 usage, 3 no Chromium or no report.
"""
import argparse
import base64
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

LEAST_PIXELS = 10  # of one colour of one chart: a mark has 40
MOST_SECONDS = 240  # a browser that hangs ends this program
MODES = (("light", 1000, "light"), ("dark", 1000, "dark"), ("phone", 390, "light"))

# For each chart: the colours that its data name, and how many pixels of each its canvas has. The canvas has no paper
# under it, so what is see-through there has its own colour still, but where it lies over the bar of a median.
COUNT_PIXELS = """
(() => [...document.querySelectorAll('.chart')].map((chart) => {
  const canvas = chart.querySelector('canvas');
  const data = JSON.parse(chart.querySelector('script').textContent);
  const rgb = (name) => [1, 3, 5].map((i) => parseInt(
      getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim().substr(i, 2), 16));
  const drawn = (series) => (series.points || series.values || []).some((v) => v !== null);
  const wanted = [...new Set((data.series || data.rows).filter(drawn).map((s) => s.colour))];
  const {data: pixels} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const counts = {};
  for (const colour of wanted) {
    const target = rgb('s' + colour);
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i + 3] < 128) continue;
      if (target.every((c, k) => Math.abs(c - pixels[i + k]) < 40)) count += 1;
    }
    counts['s' + colour] = count;
  }
  return {title: canvas.getAttribute('aria-label').split('.')[0], counts, width: canvas.clientWidth, height: canvas.clientHeight};
}))()
"""
TOO_WIDE = """
[...document.querySelectorAll('main > *, figure, .chart, canvas, p, h2, h3')].filter(
    (e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + ' ' + e.className)
"""
DRAWINGS = """
[...document.querySelectorAll('svg')].map((svg) => {
  const box = svg.getBoundingClientRect();
  const rgb = (name) => [1, 3, 5].map((i) => parseInt(
      getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim().substr(i, 2), 16));
  const colours = [...new Set([...svg.querySelectorAll('rect.fill')].filter((r) => r.getBBox().width > 4).map(
      (r) => r.getAttribute('class').split(' ')[1]))];
  return {title: svg.getAttribute('aria-label'), colours: Object.fromEntries(colours.map((c) => [c, rgb(c)])),
          box: {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height, scale: 1}};
})
"""
SAID = """
[...document.querySelectorAll('.chart')].map((chart) => {
  const canvas = chart.querySelector('canvas');
  canvas.focus();
  canvas.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true, cancelable: true}));
  return document.activeElement === canvas ? chart.querySelector('.now').textContent : '';
})
"""
OPEN_TABLES = """
[...document.querySelectorAll('figure')].map((f) => {
  const table = f.querySelector('table');
  return table !== null && table.getBoundingClientRect().height > 0;
})
"""


class Browser:
    """One headless Chromium. Commands and events are JSON texts that end in NUL, on its descriptors 3 and 4."""

    def __init__(self, program, profile):
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()

        def descriptors():
            # Out of the way first: one of them may be 3 or 4 itself.
            high = [os.dup2(to_browser, 20, True), os.dup2(from_browser, 21, True)]
            os.dup2(high[0], 3, True)
            os.dup2(high[1], 4, True)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
                 "--force-device-scale-factor=1", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen([program, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=descriptors)
        os.close(to_browser)
        os.close(from_browser)
        self.waiting, self.events, self.number = b"", [], 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def read(self):
        while b"\0" not in self.waiting:
            piece = os.read(self.into, 1 << 16)
            if not piece:
                raise RuntimeError("Chromium ended early")
            self.waiting += piece
        message, self.waiting = self.waiting.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if getattr(self, "session", None):
            command["sessionId"] = self.session
        os.write(self.out, json.dumps(command).encode() + b"\0")
        while True:
            message = self.read()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.read())

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", "a script failed"))
        return result["result"].get("value")

    def open(self, url, width, scheme, scripts=True):
        """Loads the page; what the browser said that speaks against it."""
        self.events = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")
        problems = []
        for event in self.events:
            params = event.get("params", {})
            if event["method"] == "Network.requestWillBeSent" and params["request"]["url"] != url:
                problems.append("requested " + params["request"]["url"])
            elif event["method"] == "Log.entryAdded":
                problems.append("console: " + params["entry"]["text"])
            elif event["method"] == "Runtime.consoleAPICalled":
                problems.append(f"console: {params['type']} {[a.get('value') for a in params['args']]}")
            elif event["method"] == "Runtime.exceptionThrown":
                problems.append("exception: " + params["exceptionDetails"].get("exception", {}).get("description", "?"))
        return problems

    def picture(self, clip=None):
        """PNG of the whole page, or of a rectangle of it."""
        extra = {"clip": clip} if clip else {}
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True, **extra)["data"])

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)


def pixels(png):
    """Rows of RGB triples of a PNG with 8 bits a channel, which is what Chromium writes."""
    at, data, width, channels = 8, b"", 0, 0
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, _, depth, colour_type = struct.unpack(">IIBB", body[:10])
            channels = {2: 3, 6: 4}[colour_type]
            assert depth == 8
        elif kind == b"IDAT":
            data += body
        at += 12 + length
    raw, stride, before = zlib.decompress(data), width * channels, bytearray(width * channels)
    for start in range(0, len(raw), stride + 1):
        method, line = raw[start], bytearray(raw[start + 1:start + 1 + stride])
        for i in range(stride):
            left = line[i - channels] if i >= channels else 0
            up = before[i]
            corner = before[i - channels] if i >= channels else 0
            if method == 1:
                line[i] = (line[i] + left) & 255
            elif method == 2:
                line[i] = (line[i] + up) & 255
            elif method == 3:
                line[i] = (line[i] + (left + up) // 2) & 255
            elif method == 4:
                guess = left + up - corner
                distance = (abs(guess - left), abs(guess - up), abs(guess - corner))
                line[i] = (line[i] + (left, up, corner)[distance.index(min(distance))]) & 255
        before = line
        yield [tuple(line[i:i + 3]) for i in range(0, stride, channels)]


def check_drawings(browser):
    """SVG has no pixels of its own to ask for, so a picture of it is looked at."""
    problems = []
    for drawing in browser.evaluate(DRAWINGS):
        counts = {}
        for row in pixels(browser.picture(drawing["box"])):
            for pixel in row:
                counts[pixel] = counts.get(pixel, 0) + 1
        for name, rgb in drawing["colours"].items():
            if counts.get(tuple(rgb), 0) < LEAST_PIXELS:
                problems.append(f"'{drawing['title']}' lacks the colour {name}")
    return problems


def check_charts(browser):
    problems, charts = [], browser.evaluate(COUNT_PIXELS)
    for chart in charts:
        if chart["width"] < 200 or chart["height"] < 80:
            problems.append(f"'{chart['title']}' is {chart['width']} x {chart['height']} pixels")
        problems += [f"'{chart['title']}' has {count} pixels of {colour}" for colour, count in chart["counts"].items()
                     if count < LEAST_PIXELS]
    return problems, len(charts)


def check_mode(browser, url, name, width, scheme, keep):
    problems = browser.open(url, width, scheme)
    found, charts = check_charts(browser)
    problems += found + check_drawings(browser)
    if name == "phone":
        problems += [f"wider than the screen: {element}" for element in browser.evaluate(TOO_WIDE)]
    if keep:
        (keep / f"{name}.png").write_bytes(browser.picture())
    if name == "light":
        said = browser.evaluate(SAID)
        problems += [f"chart {i + 1} says nothing to the arrow keys" for i, text in enumerate(said) if not text]
        pdf = base64.b64decode(browser.call("Page.printToPDF", printBackground=False)["data"])
        if not pdf.startswith(b"%PDF"):
            problems.append("it cannot be printed")
        if keep:
            (keep / "print.pdf").write_bytes(pdf)
    print(f"{name}: {charts} charts, {len(problems)} problems")
    return [f"{name}: {p}" for p in problems]


def check(browser, url, keep):
    problems = []
    for name, width, scheme in MODES:
        problems += check_mode(browser, url, name, width, scheme, keep)
    problems += [f"without scripts: {p}" for p in browser.open(url, 1000, "light", scripts=False)]
    # The debugger may look although the page may not run.
    tables = browser.evaluate(OPEN_TABLES)
    problems += [f"without scripts: figure {i + 1} shows no table" for i, seen in enumerate(tables) if not seen]
    print(f"without scripts: {len(tables)} tables")
    if keep:
        (keep / "without-scripts.png").write_bytes(browser.picture())
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog="Exit codes: 0 good, 1 not, 2 usage, "
                                     "3 no Chromium or no report.")
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for screenshots and PDF")
    arguments = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or not arguments.report.is_file():
        what = "there is no Chromium: apt-get install chromium" if program is None else f"cannot read {arguments.report}"
        print(f"check_report.py: {what}", file=sys.stderr)
        return 3
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    signal.alarm(MOST_SECONDS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            problems = check(browser, arguments.report.resolve().as_uri(), arguments.keep)
        finally:
            browser.close()
    for problem in problems:
        print(f"check_report.py: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
