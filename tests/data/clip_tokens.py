"""Golden tokens: what transformers' CLIP tokenizers make of prompts, with the short vocabulary of models/sd15/tokenizer.

usage: python clip_tokens.py MODELS/sd15/tokenizer OUT.json

`ids` are those of CLIPTokenizer (the Python one, which diffusers loads from vocab.json and merges.txt) with ftfy installed, with both specials, neither
cut nor padded. `fast` (CLIPTokenizerFast, the `tokenizers` crate) and `basic` (CLIPTokenizer where ftfy is not installed) appear only where they differ.
For prompts of more than 77 tokens `cut` is the text that diffusers' warning shows: what was truncated, decoded.

FACTS
* ftfy: fix_text (mojibake, curly quotes to straight, full-width to normal width, control characters and escapes dropped, HTML entities decoded, NFC), then
  runs of white space to one space, strip, lower case.
* basic: control characters dropped, NFC, spaces around CJK characters, split at white space, lower case.
* fast: NFC, white space runs to one space, lower case (character by character).
* then the same for all: pieces by the pattern <|startoftext|> | <|endoftext|> | 's 't 're 've 'm 'll 'd | letters+ | one number character | anything
  else+, bytes to printable characters, BPE with </w> on the last symbol; unknown symbols become <|endoftext|>.
"""
import json
import os
import sys
import unicodedata

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from transformers import CLIPTokenizer, CLIPTokenizerFast
from transformers.utils import logging

logging.set_verbosity_error()

PLAIN = [
    "", " ", "a", "A", "cat", "a photo of a red cube on a wooden table", "A PHOTO OF AN ASTRONAUT RIDING A HORSE", "an astronaut riding a horse on mars, 4k, highly detailed",
    "masterpiece, best quality, 1girl, solo, long hair, looking at viewer", "oil painting by Vincent van Gogh", "  leading and trailing  ", "two  spaces   three", "tab\tand\nnewline\r\nend",
    "portrait of a woman (by Greg Rutkowski:1.3), [ugly|bad], {braces}", "8k uhd, dslr, soft lighting, film grain, Fujifilm XT3", "iPhone 15 Pro Max", "f/1.8 85mm ISO-100", "3.14159 and 2,718 and 1e-5",
    "1234567890", "007 2001: a space odyssey", "one-two three_four five/six", "don't can't won't it's I'm you're they've we'll he'd", "DON'T IT'S I'M", "rock'n'roll 'quoted' ''", "'s", "'", "''''", "'re'll",
    "end.", "what?!", "!!!", "...", "a,b,c", "a , b , c", "(((nested)))", "C++ and C#", "user@example.com https://example.com/a?b=c&d=e#f", "#hashtag @mention", "50% off $19.99", "x^2 + y^2 = z^2", "a*b", "~tilde~ `code`",
    "back\\slash", "pipe|pipe", "<tag>", "<|startoftext|>", "<|endoftext|>", "a <|endoftext|> b", "<|startoftext|>a", "<|ENDOFTEXT|>", "</w>", "end</w>", "the quick brown fox jumps over the lazy dog",
    "blurry, low quality, jpeg artifacts, watermark, text, signature", "cyberpunk city at night, neon lights, rain, reflections, ultra wide angle", "AaBbCc", "mixedCASEwords", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "thethethe",
    "A1B2C3", "v1.5", "1.5v", "3rd 4th 21st", "mid-century modern", "well-lit; highly-detailed: yes", "\"double quotes\"", "a\u0000b", "a\u0007bell", "\x1b[31mred\x1b[0m",
]
UNICODE = [
    "café", "cafe\u0301", "naïve façade", "Ångström", "A\u030angstro\u0308m", "ÀÉÎÕÜ", "straße STRASSE ẞ", "İstanbul ISTANBUL ıstanbul", "ΣΊΣΥΦΟΣ", "Ὀδυσσεύς", "ﬁne ﬂow", "ĳsje Ĳsje", "ﬀ", "Ⅷ ⅷ", "½ ¼ ²³", "№ ℃ ™ ®",
    "Москва зимой", "ПРИВЕТ мир", "Київ", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "ภาษาไทย", "日本語のテキスト", "東京タワー at night", "中文 提示词", "汉字a汉字", "한국어 문장", "ㅎㅏㄴ", "カタカナ ﾊﾝｶｸ", "ひらがな",
    "ｆｕｌｌ　ｗｉｄｔｈ １２３", "“curly” ‘quotes’", "it’s don’t", "«guillemets»", "em—dash en–dash", "ellipsis…", "non\u00a0breaking", "zero\u200bwidth", "soft\u00adhyphen", "word\u2060joiner", "\ufeffbom", "left\u200eto\u200fright",
    "line\u2028separator\u2029paragraph", "a\u0300\u0301\u0302b", "e\u0301e\u0301", "\u0301alone", "🙂", "a 🙂 b", "🙂🙂🙂", "👨‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "👍🏽", "❤️ ❤", "☃ snowman", "✨masterpiece✨", "🐱cat", "cat🐱", "𝓯𝓪𝓷𝓬𝔂", "𝟙𝟚𝟛", "𐍈 gothic",
    "\U0001f9ff\U0001fae0", "mojibake: cafÃ© â€œquotesâ€\u009d", "&amp; &lt;b&gt; &eacute;", "l&#39;art", "\u00e9\u00c9", "ñÑ", "Đặng Việt", "šđčćž ŠĐČĆŽ", "Łódź", "ßß", "æøå ÆØÅ", "þð", "œuvre", "ªº", "µ μ", "Ω Ω", "K K",
    "٠١٢٣", "१२३", "㊗ ①②", "→ ← ↔", "∑∫√", "€£¥₿", "½cup", "x²", "10°C", "\ud7ff", "\ue000", "\ufffd", "a\u0085b", "a\u001fb", "a\u007fb", "a\u3000b", "o\u0337slash", "ﷺ", "が か\u3099",
]
WORDS = "red green blue cat dog house tree sky mountain river portrait painting photo of the a an in on with and style by detailed light dark old young woman man child robot dragon castle".split()


def prompts():
    out = PLAIN + UNICODE
    state = 12345
    for i in range(40):  # short mixtures
        words = []
        for _ in range(3 + i % 9):
            state = (1103515245 * state + 12345) % 2**31
            w = WORDS[state // 65536 % len(WORDS)]
            words.append([w, w.capitalize(), w.upper(), w + ",", w + "'s", f"{w}{i}"][state // 1024 % 6])
        out.append(" ".join(words))
    out += ["a very long description of a scene " * 20, "word " * 75, "a " * 75 + "b", "a " * 74 + "b", "a " * 76 + "b", "é" * 100, "🙂 " * 40, "x" * 500, ", ".join(WORDS * 3)]
    return out


def without_ftfy(folder):
    """CLIPTokenizer as it behaves where ftfy is not installed."""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    from transformers.models.clip import tokenization_clip

    tokenizer.fix_text = None
    tokenizer.nlp = tokenization_clip.BasicTokenizer(strip_accents=False, do_split_on_punc=False)
    return tokenizer


def main():
    folder, path = sys.argv[1:]
    slow, fast, basic = CLIPTokenizer.from_pretrained(folder), CLIPTokenizerFast.from_pretrained(folder), without_ftfy(folder)
    assert slow.fix_text is not None, "install ftfy"
    rows, differ = [], {"fast": 0, "basic": 0}
    for p in prompts():
        ids = slow(p).input_ids
        row = {"prompt": p, "ids": ids}
        for name, t in (("fast", fast), ("basic", basic)):
            other = t(p).input_ids
            if other != ids:
                row[name] = other
                differ[name] += 1
        if len(ids) > 77:
            row["cut"] = slow.batch_decode([ids[76:-1]])[0]
        rows.append(row)
    text = '{"made_by": "clip_tokens.py",\n"prompts": [\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]}\n"
    with open(path + ".part", "w") as f:
        f.write(text)
    os.replace(path + ".part", path)
    print(f"{path}: {len(rows)} prompts, differing: {differ}, {len(text) // 1024} KB, unicode {unicodedata.unidata_version}")
    for r in rows:
        if "fast" in r:
            print("   fast differs:", ascii(r["prompt"]))


if __name__ == "__main__":
    main()
