"""Token ids of many prompts, as transformers' CLIPTokenizer gives them.

usage: HF_HUB_OFFLINE=1 python clip_prompts.py VOCAB_DIR     (VOCAB_DIR holds CLIP's vocab.json and merges.txt)
writes clip_prompts.json beside this script: {CONFIG: {"files": {...}, "pad": id, "prompts": [[prompt, [id, ...], cut or null], ...]}}
Only the ids before the padding are kept.

Pinned: transformers==4.57.6, regex==2026.11.15, CPython 3.11 (Unicode 14). ftfy must not be imported: the tokenizer then
takes its own fallback, as in a plain installation of diffusers and transformers; this script hides it.
"""
import json, sys, warnings
from pathlib import Path

sys.modules["ftfy"] = None
from transformers import CLIPTokenizer

HERE = Path(__file__).parent
WORDS = """a photograph of an astronaut riding a horse on mars, highly detailed, digital painting, artstation, concept art,
smooth, sharp focus, illustration, art by artgerm and greg rutkowski and alphonse mucha"""

PLAIN = ["", " ", "   ", "\t", "\n", "\r\n", " \t\n ", "a", "A", "cat", "Cat", "CAT", "a cat", " a cat", "a cat ", "a  cat", "a\tcat",
    "a\ncat", "a\r\ncat", "a\u00a0cat", "a\u2003cat", "a\u3000cat", "a\u2028cat", "a\u2029cat", "a\u0085cat", "a\u000bcat", "a\u000ccat",
    "a\u1680cat", "a\u202fcat", "a\u205fcat", WORDS, WORDS.upper(), WORDS.replace(",", ""), "masterpiece, best quality, 1girl",
    "(masterpiece:1.2), [blurry]", "<lora:style:0.8>", "{a|b|c}", "a::b", "a red cube, a blue sphere; a green cone.", "low quality"]
CONTRACTIONS = ["it's", "IT'S", "don't", "they're", "I've", "I'm", "we'll", "he'd", "rock'n'roll", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d",
    "'sun", "'dog", "'mother", "'llama", "dogs'", "'quoted'", "it’s", "don’t", "O'Neill's", "y'all'd've", "a 's b", "''s", "!'s", "'ſ", "'K", "'LL be",
    "she'S", "'tis the season", "the '90s", "'re'd"]
NUMBERS = ["1", "12", "123", "1234567890", "3.14159", "1,000,000", "1e-5", "50%", "$100", "#1", "1st 2nd 3rd", "2x4", "x2", "4k", "8K UHD", "1980s",
    "f/1.4", "1/2", "½", "¼ cup", "x²", "H₂O", "Ⅷ", "ⅷ", "①②③", "٣٤٥", "१२३", "๑๒๓", "１２３", "一二三", "𝟙𝟚𝟛", "൪൫", "〇", "1_000", "1 000"]
PUNCTUATION = ["hello, world!", "hello , world !", "...", "…", "!!!", "?!", "!?", "a-b", "a--b", "a—b", "a–b", "a_b", "__init__", "snake_case_name", "a/b\\c",
    "a@b.c", "https://example.com/?q=1&r=2#top", "C++", "C#", "&amp;", "&lt;b&gt;", "&#39;", "&quot;x&quot;", "<b>bold</b>", "«guillemets»", "„deutsch“",
    "“quotes”", "‘single’", "¿qué?", "¡hola!", "§ 5", "© 2020", "™", "°C", "50 €", "£5", "¥", "₿", "~", "`code`", "^", "|", "||", "*", "**bold**", "\\n", "\"",
    "()", "[]{}", "<>", "=", "+-*/", ";:", "·", "•", "†‡", "→ ← ↑ ↓", "∑∫√", "≤≥≠", "★☆", "♥", "☂", "✓", "█▓▒░"]
ACCENTS = ["café", "cafe\u0301", "CAFÉ", "naïve", "Zürich", "ZÜRICH", "straße", "STRASSE", "STRAẞE", "Ångström", "A\u030angstro\u0308m", "\u212bngstrom", "señor",
    "piñata", "Dvořák", "Łódź", "İstanbul", "ISTANBUL", "ıstanbul", "I\u0307stanbul", "Đà Nẵng", "Việt Nam", "Vie\u0323\u0302t", "ÆØÅ", "œuvre", "ŒUVRE", "ﬁne", "ﬂow", "ﬀ ﬃ ﬄ ﬅ ﬆ",
    "e\u0301\u0302\u0303", "a\u0323\u0307", "a\u0307\u0323", "\u0301", "\u0301a", "a \u0301b", "z\u0335a\u0336l\u0337g\u0338o", "Ǆ ǅ ǆ", "ŉ", "ǰ", "Ω", "\u2126", "µm", "\u03bcm", "K", "ſ", "long ſ teſt"]
SCRIPTS = ["Привет, мир!", "ПРИВЕТ", "Ёлка", "ё", "Ελλάδα", "ΟΔΥΣΣΕΥΣ", "ΣΑΣ ΣΑΣ", "Σ", "ΑΣ.", "ΑΣ'", "Α.Σ", "שלום עולם", "שָׁלוֹם", "مرحبا بالعالم", "مُحَمَّد", "السلام ١٢٣", "हिन्दी", "नमस्ते दुनिया",
    "বাংলা", "தமிழ்", "ภาษาไทย", "สวัสดี", "ກ", "မြန်မာ", "ខ្មែរ", "ქართული", "ᲥᲐᲠᲗᲣᲚᲘ", "հայերեն", "አማርኛ", "ᏣᎳᎩ", "ꭰꭱ", "한국어", "안녕하세요 세계", "\u1112\u1161\u11ab", "ᄒ", "日本語", "日本語のテキスト", "こんにちは世界", "カタカナ", "ｶﾀｶﾅ",
    "中文", "你好，世界！", "漢字 and kanji", "a中b", "中a文", "。、「」", "龜", "\uf900", "豈更", "𠀀𠀁", "𪜀", "丽", "㐀", "々", "〆", "ａｂｃ", "ＡＢＣ", "Ｆｕｌｌ　ｗｉｄｔｈ！", "𝓯𝓪𝓷𝓬𝔂", "𝔘𝔫𝔦", "Ⓐⓑ", "🄰", "𐐀𐐨", "Ꙁ", "ᵃᵇᶜ", "ʰ ʷ", "ꟲ"]
EMOJI = ["😀", "a 😀 b", "😀😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇩🇪🇫🇷", "❤️", "❤", "1️⃣", "#️⃣", "☺️", "🧑🏿‍🚀 riding a 🐎", "cat😺dog", "🤷‍♀️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🪄", "🫠", "⌚", "©️", "🅰️"]
CONTROL = ["a\u0000b", "a\u0001b", "a\u001bb", "a\u007fb", "a\u0080b", "a\u00adb", "a\u200bb", "a\u200cb", "a\u200db", "a\u200e\u200fb", "a\u202eb\u202c", "\ufeffa", "a\ufeffb", "a\u2060b", "a\ufffdb", "\ufffd",
    "a\ue000b", "a\ufff9b", "a\u180eb", "a\u061cb", "\u200b", "a \u200b b", "a\U000e0001b", "a\U000f0000b", "a\u0378b", "a\uffffb", "a\u2066b\u2069", "'\u200bs", "<|endof\u200btext|>", "a\u034fb", "a\u115fb", "a\u3164b", "a\u2800b"]
MARKERS = ["<|endoftext|>", "<|startoftext|>", "a <|endoftext|> b", "a<|endoftext|>b", "<|endoftext|><|endoftext|>", "<|ENDOFTEXT|>", "a <|EndOfText|> b", "!<|ENDOFTEXT|>", "<|STARTOFTEXT|>cat", "<|endoftext|", "|endoftext|>",
    "<|startoftext|>a cat<|endoftext|>", "<|pad|>", "<|end oftext|>", "</w>", "cat</w>", "<|ſtartoftext|>", "<|ENDOFTEXT|>'s", "\u0120cat", "Ġ", "é<|endoftext|>\u0301"]
LONG = [" ".join(["cat"] * n) for n in (74, 75, 76, 77, 100, 400)] + ["a" * n for n in (50, 77, 300, 3000)] + [WORDS + ", " + WORDS + ", " + WORDS, "pneumonoultramicroscopicsilicovolcanoconiosis " * 12,
    "日本" * 60, "😀" * 60, "1" * 100, "!" * 200, ", ".join(["it's"] * 40), "é " * 90, "cat <|endoftext|> " * 40, "x " * 75 + "ünïcödé, 漢字 and 😀 it's (cut)!"]
ODD = ["SoTA", "iPhone 15 Pro", "McDonald's", "eBay", "GREGORY'S", "ToGgLe", "dslr 35mm", "16:9", "--ar 16:9 --v 5", "trending on #artstation", "by @wlop", "hyper-realistic", "état-major", "co-op's", "rock & roll", "A.I.", "U.S.A.",
    "e.g. this", "Mr. Smith", "ph.d", "a.b.c.d", "x=y+z", "πr²", "E=mc²", "H&M", "AT&T", "24/7", "10'6\"", "5 o'clock", "café's", "naïve's", "Ñ's", "l'été", "d'Artagnan", "qu'est-ce", "aujourd'hui", "\"it's\"", "(it's)", "_it's_", "9's", "90's", "ca n't", "wo n't .", "hello 's ."]
GROUPS = [PLAIN, CONTRACTIONS, NUMBERS, PUNCTUATION, ACCENTS, SCRIPTS, EMOJI, CONTROL, MARKERS, LONG, ODD]
MIXED = ["hello!", "!", "!!", "wow! a cat !", "a!b", "it's!", "a <|endoftext|>! b", "!" * 90, "cat " * 80 + "!", "", "ok?!", "!'s"]
ADDED = ["a <cat-toy> b", "a<cat-toy>b", "<cat-toy>", "a <CAT-TOY>", "x <l> y", "x <r> y", "x  <l>  y", "x<w>y", "x <w> y", "x <w>y", "x<w> y", "<w>y", "<lw> <lw>y", "a  <lw> b", "<cat-toy><cat-toy-2>", "<cat-toy", "x <r> <l> y",
    "cat " * 75 + "<cat-toy> it's cut !", "cat " * 76 + " 're 's n't . , ok ?"]
NUMBERED = {"49408": ("<cat-toy>", ""), "49409": ("<cat-toy-2>", ""), "49410": ("<l>", "l"), "49411": ("<r>", "r"), "49412": ("<w>", "w"), "49413": ("<lw>", "lw")}

def token(text, flags="", **more):
    return {"content": text, "lstrip": "l" in flags, "rstrip": "r" in flags, "single_word": "w" in flags, "normalized": True, **more}

CONFIGS = {  # name: (tokenizer_config.json, special_tokens_map.json or None, prompts)
    "sd1": ({"model_max_length": 77, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer", "do_lower_case": True,
             "bos_token": {"__type": "AddedToken", **token("<|startoftext|>")}}, None, [p for g in GROUPS for p in g]),
    "sd2": ({"model_max_length": 77, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"},
            {"bos_token": token("<|startoftext|>"), "eos_token": token("<|endoftext|>"), "pad_token": "!", "unk_token": token("<|endoftext|>")}, MIXED),
    "added": ({"model_max_length": 77, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer", "clean_up_tokenization_spaces": True,
               "added_tokens_decoder": {"49406": token("<|startoftext|>", special=True), "49407": token("<|endoftext|>", special=True),
                                        **{i: token(t, f, special=False) for i, (t, f) in NUMBERED.items()}}}, {"pad_token": "!"}, ADDED),
}

def ids(tok, prompt):
    row = tok(prompt, padding="max_length", max_length=tok.model_max_length, truncation=True).input_ids
    full = tok(prompt, padding="longest").input_ids
    # diffusers' own test and slice (pipeline_stable_diffusion.py, encode_prompt).
    cut = tok.batch_decode([full[tok.model_max_length - 1 : -1]])[0] if len(full) >= len(row) and full != row else None
    kept = min(len(full), len(row))
    assert all(i == tok.pad_token_id for i in row[kept:])
    return [prompt, row[:kept], cut]

def main():
    import shutil, tempfile
    warnings.simplefilter("ignore")
    out = {}
    for name, (config, special, prompts) in CONFIGS.items():
        with tempfile.TemporaryDirectory() as d:
            for f in ("vocab.json", "merges.txt"): shutil.copy(Path(sys.argv[1]) / f, d)
            files = {"tokenizer_config.json": config, "special_tokens_map.json": special}
            files = {f: v for f, v in files.items() if v is not None}
            for f, v in files.items(): (Path(d) / f).write_text(json.dumps(v))
            tok = CLIPTokenizer.from_pretrained(d)
            assert tok.fix_text is None
            out[name] = {"files": files, "pad": tok.pad_token_id, "prompts": [ids(tok, p) for p in dict.fromkeys(prompts)]}
    lines = [json.dumps(out[n]["files"]) for n in out]
    text = "{\n" + ",\n".join(f'{json.dumps(n)}: {{"files": {l}, "pad": {out[n]["pad"]}, "prompts": [\n' + ",\n".join(json.dumps(p) for p in out[n]["prompts"]) + "\n]}" for n, l in zip(out, lines)) + "\n}\n"
    (HERE / "clip_prompts.json").write_text(text)
    print({n: len(o["prompts"]) for n, o in out.items()})

main()
