"""Tokens of captions."""

import unicodedata

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

PAD, START, END = "<pad>", "<start>", "<end>"
# Punctuation carries nothing here: "woman farmer: dark skin tone" is to be the same prompt without its colon. `#` and
# `*` stay, they are keycaps and sharps. Replaced one by one, because tokenizers' builds differ in their regular expressions.
PUNCTUATION = "-_:,.;!?'’‘\"“”()/&"


def clean(text):
    """What the tokenizer's normaliser makes of a text."""
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    return " ".join(text.translate({ord(c): " " for c in PUNCTUATION}).split())


def train_tokenizer(texts, file, vocabulary, digits=False):
    """A byte-level BPE: every prompt in every script has tokens. With `digits`, each digit is a token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        + [normalizers.Replace(c, " ") for c in PUNCTUATION]
    )
    # Inside a word, digits are cut off before the byte level puts a space before every piece that is left.
    single = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), *single, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[PAD, START, END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=marks)
    tokenizer.save(str(file))


def tokenize(tokenizer, texts, length):
    """Rows of `length` ids, the end mark kept where a text is cut, as the runtime does it."""
    rows = []
    for encoding in tokenizer.encode_batch(texts):
        ids = encoding.ids
        ids = ids if len(ids) <= length else ids[: length - 1] + ids[-1:]
        rows.append(ids + [0] * (length - len(ids)))
    return rows
