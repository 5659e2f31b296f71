#!/usr/bin/env python3
"""Writes the coarse system profiles: the Snapdragon 8 Gen 3 with its arithmetic scaled by published peaks.

Of these systems hardly more is published than peak rates (table 1 of arXiv 2501.14794v2; for Intel's, see INTEL). What
follows from a peak and from what the Snapdragon achieves of its own is `derived`; everything else is the Snapdragon's
figure and `assumed`.
Good for trying plans out and for tests of the solver; no statement about the systems can rest on them.

    profiles/devices/make_coarse.py            writes the documents beside this file
    profiles/devices/make_coarse.py --check    fails when one of them is not what this file writes
"""
import copy
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
BASE = "snapdragon-8-gen-3"
PAPER = "arXiv 2501.14794v2"
POWERSERVE = "PowerServe README @0ec6d64"


class Part:
    """What is known of one device: its arithmetic and its streaming over the Snapdragon's, each with its reason."""

    def __init__(self, name, speed, speed_source, streaming=1.0, streaming_source=""):
        self.name, self.speed, self.speed_source = name, speed, speed_source
        self.streaming, self.streaming_source = streaming, streaming_source


def peak(ours, snapdragon, what, source=PAPER):
    """A ratio of peaks and where it is from: the Snapdragon's is the paper's, ours is from `source`."""
    return ours / snapdragon, f"{source}: peak {ours} against the Snapdragon's {snapdragon} {what}, at the same achieved fraction"


# Intel states integer rates; float16 is worked out. Pages as they were found in November 2026.
INTEL = {
    # 112 vector engines of 8 float32 lanes at 2.2 GHz, no XMX; float16 twice as fast: 3.94 * 2.
    "gpu-125h": (7.9, "notebookcheck.net, Intel Arc 7-Cores iGPU: 112 vector engines at 2.2 GHz; Intel support article "
                      "000098346: no XMX; float16 at twice the float32 rate as topcpu.net has it of the Arc 140T"),
    # Half of the integer rate, as the MAC arrays have it.
    "npu-125h": (5.5, "theregister.com 2024-04-10: 11 integer TOPS of the NPU; gigazine.net 2024-05-05 after Chips and "
                      "Cheese: float16 at half the integer rate"),
    "memory-125h": (119.5, "thinkcomputers.org, Meteor Lake-H: LPDDR5X-7467; videocardz.com 2023-09-07: 120 GB/s at "
                           "7500, so 16 bytes a transfer"),
    # 8 Xe cores of 8 engines of 2048 bits at the series' 2.05 GHz make 33.6; the 258V clocks a few per cent lower.
    "gpu-258v": (33.5, "tomshardware.com, Lunar Lake architecture: 67 integer TOPS, XMX engines of 2048 bits, so "
                       "float16 at half the integer rate"),
    "npu-258v": (23.5, "notebookcheck.net, Core Ultra 7 256V (the 258V but for its memory's size): 47 integer TOPS; "
                       "NPU 4 does 2048 integer or 1024 float16 multiply-accumulates a cycle"),
    "memory-258v": (136.5, "notebookcheck.net, Core Ultra 7 256V: LPDDR5X-8533; at 16 bytes a transfer"),
}


def intel(unit, memory, snapdragon_tflops):
    """Speed and streaming of a Part."""
    tflops, source = INTEL[unit]
    gbps, memory_source = INTEL[memory]
    return (*peak(tflops, snapdragon_tflops, "TFLOPS (float16)", source),
            *peak(gbps, 68, "GB/s (memory)", memory_source))


SYSTEMS = {
    "snapdragon-8-elite": {
        "title": "Snapdragon 8 Elite, coarse: the 8 Gen 3 scaled by another engine's ratios",
        "note": "The NPU's ratios are those of one engine (PowerServe) for Llama 8B; the GPU is assumed to have gained "
                "as much.",
        "gpu": Part("Adreno of the 8 Elite", 509.09 / 468.35, f"as the NPU ({POWERSERVE}); nothing published",
                    12.48 / 12.03, f"as the NPU ({POWERSERVE}); nothing published"),
        "npu": Part("Hexagon NPU of the 8 Elite", 509.09 / 468.35,
                    f"{POWERSERVE}: prefill of Llama 8B, 509.09 against 468.35 tok/s", 12.48 / 12.03,
                    f"{POWERSERVE}: decode of Llama 8B, 12.48 against 12.03 tok/s"),
    },
    "dimensity-9300": {
        "title": "Dimensity 9300, coarse: the Snapdragon 8 Gen 3 scaled by peaks",
        "note": "Peaks: GPU 4.0 TFLOPS, NPU 24 TFLOPS in float16. Memory, joins, launches, graphs and shapes are the "
                "Snapdragon's.",
        "gpu": Part("GPU of the Dimensity 9300", *peak(4.0, 2.8, "TFLOPS (float16)")),
        "npu": Part("NPU of the Dimensity 9300", *peak(24, 17, "TFLOPS (float16)")),
    },
    "apple-a18": {
        "title": "Apple A18, coarse: the Snapdragon 8 Gen 3 scaled by peaks",
        "note": "Peaks: GPU 1.8 TFLOPS, NPU 17 TFLOPS in float16. Memory, joins, launches, graphs and shapes are the "
                "Snapdragon's. On an M4 Max another engine found the NPU only 0.9 to 1.3 times as fast as the GPU, "
                "so peaks may mislead much here.",
        "gpu": Part("GPU of the A18", *peak(1.8, 2.8, "TFLOPS (float16)")),
        "npu": Part("Neural Engine of the A18", *peak(17, 17, "TFLOPS (float16)")),
    },
    "jetson-orin": {
        "title": "Jetson Orin, coarse: the GPU of the Snapdragon 8 Gen 3 scaled by its peak",
        "note": "Peak: GPU 10 TFLOPS in float16. Its NPU is left out: only an integer rate is published (87 TOPS). "
                "Memory is the Snapdragon's, launches and joins too.",
        "gpu": Part("GPU of the Jetson Orin", *peak(10, 2.8, "TFLOPS (float16)")),
    },
    "core-ultra-5-125h": {
        "title": "Intel Core Ultra 5 125H (Meteor Lake), coarse: the Snapdragon 8 Gen 3 scaled by peaks",
        "note": "Peaks: GPU 7.9 TFLOPS and NPU 5.5 TFLOPS in float16 (worked out from published clocks, widths and integer "
                "rates), memory 119.5 GB/s. Joins, launches, graphs, shapes and how devices slow each other are the "
                "Snapdragon's; Agent.xpu (arXiv 2506.24045) found that GPU and NPU together hardly help decode on a "
                "Core Ultra, which this profile does not know.",
        "gpu": Part("Arc GPU with 7 Xe cores", *intel("gpu-125h", "memory-125h", 2.8)),
        "npu": Part("NPU 3720", *intel("npu-125h", "memory-125h", 17)),
    },
    "core-ultra-7-258v": {
        "title": "Intel Core Ultra 7 258V (Lunar Lake), coarse: the Snapdragon 8 Gen 3 scaled by peaks",
        "note": "Peaks: GPU 33.5 TFLOPS and NPU 23.5 TFLOPS in float16 (half of the published integer rates), memory "
                "136.5 GB/s. The GPU's peak is that of its matrix engines: what kernels reach of it may be far less. "
                "Joins, launches, graphs, shapes and how devices slow each other are the Snapdragon's.",
        "gpu": Part("Arc 140V", *intel("gpu-258v", "memory-258v", 2.8)),
        "npu": Part("NPU 4", *intel("npu-258v", "memory-258v", 17)),
    },
}
AS_BASE = "as the Snapdragon 8 Gen 3; nothing published here"


def assumed(figure):
    """The Snapdragon's figure for another system."""
    return {"value": figure["value"], "spread": 0, "provenance": "assumed", "source": AS_BASE}


def scaled(figure, ratio, source):
    if ratio == 1.0 and not source:
        return assumed(figure)
    known = "nothing published" not in source
    return {"value": float(f"{figure['value'] / ratio:.9g}"), "spread": 0,
            "provenance": "derived" if known else "assumed", "source": source}


def curve(base, part):
    stream = scaled(base["points"][0]["ns_per_weight"], part.streaming, part.streaming_source)
    points = []
    for point in base["points"]:
        # Up to a stage of rows, weights are streamed; beyond, arithmetic rules, and is never faster than streaming.
        if point["m"] <= 32:
            figure = scaled(point["ns_per_weight"], part.streaming, part.streaming_source)
        else:
            figure = scaled(point["ns_per_weight"], part.speed, part.speed_source)
            if figure["value"] < stream["value"]:
                figure = copy.deepcopy(stream)
        points.append({"m": point["m"], "fixed_ns": assumed(point["fixed_ns"]), "ns_per_weight": figure})
    factors = [{**entry, "factor": assumed(entry["factor"])} for entry in base["shape_factors"]]
    return {"w": base["w"], "points": points, "shape_factors": factors}


def device(base, system, part, others):
    kind = base["kind"]
    rename = lambda text: text.replace(BASE, system)
    result = copy.deepcopy(base)
    result.update(device=rename(base["device"]), name=part.name, driver="coarse",
                  exact_fingerprint=base["exact_fingerprint"].replace(BASE, system), family_fingerprint=f"{system}/{kind}")
    result["matmul"] = [curve(c, part) for c in base["matmul"]]
    if "order_factors" in base:
        result["order_factors"] = [{**entry, "factor": assumed(entry["factor"])} for entry in base["order_factors"]]
    result["ops"] = [{"kind": op["kind"], "fixed_ns": assumed(op["fixed_ns"]),
                      "ns_per_unit": assumed(op["ns_per_unit"])} for op in base["ops"]]
    for key in ("launch_ns", "graph_compile_fixed_ns", "graph_compile_ns_per_weight"):
        result[key] = assumed(base[key])
    result["watts"] = {"value": 0, "spread": 0, "provenance": "assumed", "source": "unknown"}
    result["join_ns"] = {name: assumed(figure) for name, figure in base["join_ns"].items()}
    result["bandwidth_gbps"] = scaled(base["bandwidth_gbps"], 1 / part.streaming, part.streaming_source)
    here = lambda ids: all(i.split("/")[1] in others for i in ids)
    result["bandwidth_together_gbps"] = {
        rename(other): scaled(figure, 1 / part.streaming, part.streaming_source)
        for other, figure in base["bandwidth_together_gbps"].items() if here([other])}
    result["slowdowns"] = [{"with": [rename(i) for i in entry["with"]], "decode": assumed(entry["decode"]),
                            "prefill": assumed(entry["prefill"])}
                           for entry in base["slowdowns"] if here(entry["with"])]
    return result


def is_figure(value):
    return isinstance(value, dict) and set(value) == {"value", "spread", "provenance", "source"}


def text_of(value, indent=0):
    """JSON with a figure a line, as the hand-written profiles have it."""
    pad = " " * indent
    if is_figure(value) or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value)
    if isinstance(value, list) and not isinstance(value[0], (dict, list)):
        return json.dumps(value)
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"{pad} {text_of(v, indent + 1)}" for v in value) + f"\n{pad}]"
    members = (f'{pad} {json.dumps(k)}: {text_of(v, indent + 1)}' for k, v in value.items())
    return "{\n" + ",\n".join(members) + f"\n{pad}}}"


def document(name, system, base):
    parts = {kind: system[kind] for kind in ("gpu", "npu") if kind in system}
    devices = {d["kind"]: d for d in base["devices"]}
    simulation = {key: assumed(figure) for key, figure in base["simulation"].items()}
    return {"schema": base["schema"], "version": base["version"], "name": name, "title": system["title"],
            "note": "Coarse. " + system["note"], "simulation": simulation,
            "devices": [device(devices[kind], name, part, parts) for kind, part in parts.items()]}


def main():
    base = json.loads((FOLDER / f"{BASE}.json").read_text(encoding="utf-8"))
    stale = []
    for name, system in SYSTEMS.items():
        path = FOLDER / f"{name}.json"
        text = text_of(document(name, system, base)) + "\n"
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is not what make_coarse.py writes; run profiles/devices/make_coarse.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
