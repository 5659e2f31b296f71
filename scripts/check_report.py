#!/usr/bin/env python3
"""Opens a page of hetero-report html in headless Chromium and looks at it: light, dark, at phone width and as print.

  scripts/check_report.py REPORT.html [--keep FOLDER]

Fails when the browser's console has an error, when a request left for the network, or when a picture lacks the colours
in which charts are drawn: pixels are counted, not elements. --keep leaves the screenshots in FOLDER. Opt-in, since
Chromium is large (apt-get install chromium); no part of ctest. Exit codes: 0 good, 1 not, 2 usage, 3 no Chromium.
"""
import argparse
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

LEAST_PIXELS = 100  # of one colour, which nothing but charts has: a page of small charts on a phone has 250
HEIGHT = 6000


def colours(page):
    """The first two series' colours and the paper's, of the light and of the dark palette, in the style's order."""
    palettes = []
    for block in re.findall(r":root \{(.*?)\}", page, re.S):
        found = dict(re.findall(r"--(s0|s1|paper): (#[0-9a-f]{6})", block))
        palettes.append({name: tuple(bytes.fromhex(value[1:])) for name, value in found.items()})
    return {"light": palettes[0], "dark": palettes[1]}


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


def shoot(browser, page, picture, width, scheme):
    """Takes the picture; what the browser said that speaks against the page."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
             "--disable-background-networking", f"--window-size={width},{HEIGHT}",
             f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
             f"--user-data-dir={picture.parent / 'profile'}", f"--screenshot={picture}"]
    log = subprocess.run([browser, *flags, page.resolve().as_uri()], capture_output=True, text=True, check=False,
                         timeout=180).stderr
    problems = [line for line in log.splitlines() if "CONSOLE" in line]
    if not picture.is_file():
        problems.append("no picture came out:\n" + log[-2000:])
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the screenshots")
    arguments = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None or not arguments.report.is_file():
        what = "there is no Chromium: apt-get install chromium" if browser is None else f"cannot read {arguments.report}"
        print(f"check_report.py: {what}", file=sys.stderr)
        return 3
    page = arguments.report.read_text(encoding="utf-8")
    palettes = colours(page)
    problems = []
    # The page can reach nothing by its own policy; a reference to elsewhere would still be a mistake.
    if re.search(r'(src|href)="(?!#)', page) or "url(" in page:
        problems.append("the page refers to something outside itself")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name, width, scheme in (("light", 1000, "light"), ("dark", 1000, "dark"), ("phone", 400, "light")):
            picture = pathlib.Path(scratch) / f"{name}.png"
            problems += [f"{name}: {p}" for p in shoot(browser, arguments.report, picture, width, scheme)]
            if not picture.is_file():
                continue
            counts = {}
            for row in pixels(picture.read_bytes()):
                for pixel in row:
                    counts[pixel] = counts.get(pixel, 0) + 1
            for colour, rgb in palettes[scheme].items():
                if colour != "paper" and not re.search(rf'class="(fill|line|mark) {colour}"', page):
                    continue  # a report of one device has no second colour
                found = counts.get(rgb, 0)
                print(f"{name}: {found} pixels of {colour}")
                if found < LEAST_PIXELS:
                    problems.append(f"{name}: too few pixels of {colour}, the charts were not drawn")
            if arguments.keep:
                shutil.copy(picture, folder / picture.name)
    for problem in problems:
        print(f"check_report.py: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
