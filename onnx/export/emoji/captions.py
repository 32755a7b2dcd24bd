"""Captions of a picture, and the tokens of a caption."""

import unicodedata
from collections import Counter

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers, decoders

VOCABULARY, LENGTH = 2048, 32
PAD, START, END = "<pad>", "<start>", "<end>"
# Punctuation carries nothing here: "woman farmer: dark skin tone" is to be the same prompt without its colon. `#` and
# `*` stay, they are keycaps. Replaced one by one, because tokenizers' builds differ in their regular expressions.
PUNCTUATION = "-_:,.;!?'’‘\"“”()/&"

# Shares of captions.
KEYWORDS_ALONE, KEYWORDS_BESIDE = 0.2, 0.2

OPENINGS = ["a ", "an ", "the ", "an emoji of a ", "a picture of a ", "emoji of "]


def clean(text):
    """What the tokenizer's normaliser makes of a text."""
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    return " ".join(text.translate({ord(c): " " for c in PUNCTUATION}).split())


class Captions:
    """Draws a caption: mostly the bare name, sometimes with keywords, sometimes keywords alone."""

    def __init__(self, items, heldout):
        self.items = items
        # What few pictures share says most about each of them.
        shared = Counter(word for item in items for word in item["keywords"])
        self.weights = [[1 / shared[word] for word in item["keywords"]] for item in items]
        # Several keywords alone are what the paraphrases test: pictures with one only ever show a single one, nor may
        # another picture show a held-out set.
        self.named = {p["name"] for p in heldout["paraphrase"]}
        # Keywords of one picture may spell the name of a held-out one ("judge, dark skin tone").
        out = [p["caption"] for p in heldout["paraphrase"]] + [p["name"] for p in heldout["role_tone"]]
        self.out = {tuple(sorted(clean(caption).split())) for caption in out}

    def draw(self, index, rng):
        item = self.items[index]
        name = rng.choice([item["name"], *item["also"]]) if item["also"] else item["name"]
        form = rng.random()
        if form < KEYWORDS_ALONE and item["keywords"]:
            caption = " ".join(self.keywords(index, rng, 1 if item["name"] in self.named else rng.choice((1, 2, 3))))
            if tuple(sorted(clean(caption).split())) not in self.out:
                return caption
        if form < KEYWORDS_ALONE + KEYWORDS_BESIDE and item["keywords"]:
            return " ".join([name, *self.keywords(index, rng, rng.choice((1, 2, 3)))])
        return rng.choice(OPENINGS) + name if form > 0.88 else name

    def keywords(self, index, rng, count):
        """Up to `count` different keywords, telling ones first (Efraimidis and Spirakis 2006)."""
        words = zip(self.items[index]["keywords"], self.weights[index])
        order = sorted(words, key=lambda pair: rng.random() ** (1 / pair[1]), reverse=True)
        return [word for word, _ in order[:count]]


def train_tokenizer(texts, file):
    """A byte-level BPE: every prompt in every script has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        + [normalizers.Replace(c, " ") for c in PUNCTUATION]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[PAD, START, END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=marks)
    tokenizer.save(str(file))


def tokenize(tokenizer, texts):
    """Rows of LENGTH ids, the end mark kept where a text is cut, as the runtime does it."""
    rows = []
    for encoding in tokenizer.encode_batch(texts):
        ids = encoding.ids
        ids = ids if len(ids) <= LENGTH else ids[: LENGTH - 1] + ids[-1:]
        rows.append(ids + [0] * (LENGTH - len(ids)))
    return rows
