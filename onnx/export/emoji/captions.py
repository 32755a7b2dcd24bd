"""Captions of a picture."""

from collections import Counter

from words import clean

VOCABULARY, LENGTH = 2048, 32

# Shares of captions.
KEYWORDS_ALONE, KEYWORDS_BESIDE = 0.4, 0.15

OPENINGS = ["a ", "an ", "the ", "an emoji of a ", "a picture of a ", "emoji of "]


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
