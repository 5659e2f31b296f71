#!/usr/bin/env python3
"""Writes tests/runtime/model/tokenizer_golden.json: varied texts and the token ids that llama.cpp gives them.

Usage: make_tokenizer_golden.py MODEL.gguf [-o FILE]
Needs the PyPI package llama-cpp-python. Not part of the build: run it by hand when the list of texts changes.
"""
import argparse
import json
import random
import sys
from pathlib import Path

PLAIN = """
Hello, world!|hello|Hello|HELLO| hello|  hello|hello |The quick brown fox jumps over the lazy dog.
I'm, you're, he's, she'll, they've, we'd, can't, won't, it's|I'M YOU'RE HE'S SHE'LL THEY'VE|'s 't 're 've 'm 'll 'd|rock'n'roll
don’t|“quoted”|‘single’|em—dash|ellipsis…|a-b-c_d_e|snake_case_name|camelCaseName|SCREAMING_SNAKE|kebab-case-name
antidisestablishmentarianism|Donaudampfschifffahrtsgesellschaftskapitän|supercalifragilisticexpialidocious
0|1|12|123|1234|12345|1234567890|3.14159|1,000,000|-42|+1|1e-10|0x1F600|0b1010|1/2|50%|$9.99|€5|£3.50|¥100|10²|x₁|½|Ⅷ|①②③
2026-11-21|11:40:00|192.168.0.1|2001:db8::1|v1.2.3-rc4|1st 2nd 3rd|COVID-19|H2O|a1b2c3|abc123def456|٣٤٥|१२३|一二三|１２３
user@example.com|https://example.org/path?q=1&r=2#frag|C:\\Users\\name|/usr/local/bin/x|file.tar.gz|#hashtag|@mention
!|!!|!!!|?!|...|....|.....|---|----|***|===|!=|==|=>|->|<-|<=|>=|&&|\\|\\||::|;;|{}|[]|()|<>|{{}}|[[]]|(())|</div>|<br/>
if (x < 10) { return y; }|for i in range(10):|def f(x): return x**2|x += 1; y -= 2;|int main(void) { return 0; }|#include <stdio.h>
SELECT * FROM t WHERE a = 'b';|lambda x: x + 1|let v: Vec<u8> = vec![0; 16];|fn main() -> Result<(), Error>|std::vector<int> v{1, 2};
const f = (a) => a?.b ?? c;|@decorator|$variable|${HOME}/bin|`code`|```python|# Heading|## Sub|- item|* item|1. item|> quote|[link](url)
naïve|café|cafe\u0301|Ångström|über|straße|ÇA VA|señor|år|Øre|Łódź|Žižek|İstanbul|ıssız|ﬁnance|ǅ|ŉ|ß|ẞ
Привет, мир!|Съешь же ещё этих мягких французских булок|ПРИВЕТ|Україна|Ελληνικά|Γειά σου Κόσμε|ὀξεῖα|Հայերեն|ქართული
שלום עולם|שָׁלוֹם|مرحبا بالعالم|اَلسَّلَامُ|فارسی می‌خواهم|اردو|नमस्ते दुनिया|हिन्दी में|বাংলা|தமிழ்|తెలుగు|ಕನ್ನಡ|മലയാളം|සිංහල
สวัสดีชาวโลก|ລາວ|မြန်မာ|ខ្មែរ|བོད་ཡིག|አማርኛ|ᏣᎳᎩ|ᐃᓄᒃᑎᑐᑦ|ᚠᚢᚦᚨᚱᚲ|𐌰𐌱𐌲|𒀀𒀁|𓀀𓀁
你好，世界！|中文字符|繁體中文|こんにちは世界|カタカナ|ｶﾀｶﾅ|ひらがな漢字カナ混じり文。|안녕하세요 세계|한글|ㄱㄴㄷ|𠀀𠀁|㍿|々
😀|😀😃😄|👍🏽|👨‍👩‍👧‍👦|🏳️‍🌈|🇩🇪🇫🇷|❤️|☕|✅ done|🤖 robot|1️⃣|text😀text|😀 😀|🧑🏿‍🚀|⌚️|™®©|♥♦♣♠|→←↑↓|∀x∈ℝ: x²≥0|∑∫∂√∞|αβγ|ℵ₀
\\alpha + \\beta|E = mc^2|\\frac{1}{2}|$x^2$|\\n\\t|%d %s\\n|^[a-z]+$|\\d{3}-\\d{4}|.*?
<|im_start|>|<|im_end|>|<|im_start|>user\\nHi<|im_end|>|<|endoftext|>|<|im_start|>system|<|im_start |>|<|IM_START|>|< |im_start|>|<|im_start|><|im_end|>|a<|im_end|>b|<repo_name>x|<file_sep>|<filename>a.py|<issue_start>|<jupyter_code>|<empty_output>|<unk>|<s>|</s>
Lorem ipsum dolor sit amet, consectetur adipiscing elit.|What is the capital of France?|Once upon a time, there was a|The answer is 42.
Dr. Smith's U.S.-based co-workers (e.g., Mr. O'Neil) didn't pay $1,234.56!|A.B.C.|e.g.|i.e.|etc.|vs.|No. 5|Ph.D.
""".strip()

SPACES = [
    "", " ", "  ", "   ", "    ", " " * 7, " " * 8, " " * 16, " " * 33, "\t", "\t\t", "\t\t\t\t", "\n", "\n\n", "\n\n\n", "\n" * 9,
    "\r", "\r\n", "\r\n\r\n", " \n", "\n ", " \n ", "  \n  \n", "\t\n\t", "a ", " a", "a  b", "a   b", "a\tb", "a\t\tb", "a \tb",
    "a\nb", "a\n\nb", "a \n b", "a\r\nb", "a\u00a0b", "\u00a0", "\u00a0\u00a0x", "a\u2003b", "\u2003\u2003", "a\u3000b", "\u3000",
    "a\u200bb", "\u200b", "\u200d", "\ufeffbom", "\u180e", "a\u180eb", " \u180e x", "\u2028", "a\u2028b", "\u0085", "a\u0085b", "\v", "\f", "a\vb",
    "\x00", "a\x00b", "\x01\x02", "\x1b[31mred\x1b[0m", "\x7f", "  12", " 1 2  3", "1  ", "  1  ", "x  1  y", "!  ?", "  !", "\n1", "1\n",
    "  's", " 's", "a 's", "\n's", "'", "''", "'S", "x's y's", "trailing   ", "   leading", "a  \n", "a\n  b\n    c\n", "if x:\n    y\n\n\n    z\n",
    "\t\tfoo();\n\t}\n}\n", "a,b;c:d", "   \u00e9", "  \u4f60", " \U0001f600", "  \U0001f600", "\U0001f600  ", "\U0010ffff", "\ue000", "\ufffd", "\u0300", "a\u0300\u0301",
]


def texts():
    out = []
    for line in PLAIN.split("\n"):
        # "\|" is a bar; the special tokens contain bars of their own, which are joined again below.
        line = line.replace("\\\\|", "\x02").replace("<|", "<\x02").replace("|>", "\x02>")
        out += [part.replace("\x02", "|").replace("\\n", "\n").replace("\\t", "\t") for part in line.split("|")]
    out += SPACES
    rng = random.Random(20261121)
    alphabets = ["abcdefghij ", "AaBb 'st.,!?", "0123456789 .", " \t\n\r", "é漢字😀я ", "{}[]()<>=+-*/ ;\n", "'sStTrReE dDmM"]
    for alphabet in alphabets:
        for length in (3, 9, 27, 60):
            out.append("".join(rng.choice(alphabet) for _ in range(length)))
    ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0x2000, 0x2BFF), (0x3000, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF)]
    for _ in range(24):
        out.append("".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(2, 30))))
    out.append("a" * 300)
    out.append("ab" * 150)
    out.append("\n".join(PLAIN.split("\n")[:6]))
    return list(dict.fromkeys(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    default = Path(__file__).resolve().parent.parent / "tests/runtime/model/tokenizer_golden.json"
    parser.add_argument("-o", "--output", type=Path, default=default)
    args = parser.parse_args()
    try:
        from llama_cpp import Llama, __version__
    except ImportError:
        sys.exit("make_tokenizer_golden.py: needs llama-cpp-python; pip install llama-cpp-python")
    model = Llama(args.model, vocab_only=True, verbose=False)
    rows = [{"text": t, "ids": model.tokenize(t.encode(), add_bos=False, special=True)} for t in texts()]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    note = f"Token ids by llama-cpp-python {__version__} of {Path(args.model).name}; special tokens parsed, none added."
    args.output.write_text('{"source":%s,"cases":[\n%s\n]}\n' % (json.dumps(note), lines))
    print(f"{len(rows)} texts -> {args.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
