"""The text: the King James Bible of Debian's bible-kjv-text, a verse a line, some books held out.

    python data.py --work DIR           fetch the two Debian packages, write DIR/train.json, DIR/heldout.json, DIR/heldout.txt
    python data.py --work DIR --check   nothing held out is ever trained on

The package keeps the text compressed; `bible`, of the package beside it, prints it. The text is in the public domain.
"""

import argparse
import json
import re
import subprocess
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PACKAGES = ["bible-kjv", "bible-kjv-text"]
EVERYTHING = "gen1:1-rev22:21"
# A story, wisdom, a prophet, letters: short books that no other book retells.
HELD_OUT = ["Ruth", "Ecclesiastes", "Jonah", "Malachi", "Philippians", "James"]
VOCABULARY = 2048
MASK, END = "<mask>", "<end>"
HEADING, VERSE = re.compile(r"^([0-9A-Z].*) (\d+)$"), re.compile(r"^ +(\d+) (.*)$")


def fetch(work):
    """Unpacks the packages without installing them; what `bible` prints."""
    file = work / "bible.txt"
    if not file.is_file():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=work, check=True)
        for package in sorted(work.glob("bible-kjv*.deb")):
            subprocess.run(["dpkg", "-x", package, work / "root"], check=True)
        command = [work / "root/usr/bin/bible", "-p", work / "root/usr/lib", EVERYTHING]
        file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return file.read_text()


def books(text):
    """`{book: [chapter: [verse]]}`"""
    found, verses = {}, []
    for line in text.splitlines():
        if heading := HEADING.match(line):
            verses = []
            found.setdefault(heading[1], []).append(verses)
        elif verse := VERSE.match(line):
            assert int(verse[1]) == len(verses) + 1, line
            verses.append(verse[2].strip())
        elif line.strip():
            verses[-1] += " " + line.strip()
    assert len(found) == 66 and sum(len(chapters) for chapters in found.values()) == 1189
    return found


def split(found):
    """Chapters as texts, a verse a line: those to train on, those held out."""
    texts = {book: ["\n".join(chapter) for chapter in chapters] for book, chapters in found.items()}
    return {b: t for b, t in texts.items() if b not in HELD_OUT}, {b: texts[b] for b in HELD_OUT}


def train_tokenizer(texts, file):
    """A byte-level BPE: every text in every script has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[MASK, END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(file))


def prepare(work):
    train, out = split(books(fetch(work)))
    (work / "train.json").write_text(json.dumps(train))
    (work / "heldout.json").write_text(json.dumps(out))
    (work / "heldout.txt").write_text("\n".join(chapter for chapters in out.values() for chapter in chapters) + "\n")
    train_tokenizer([chapter for chapters in train.values() for chapter in chapters], work / "tokenizer.json")
    return train, out


def load(work):
    """Token ids of all chapters to train on, one after another, each ended; and the tokenizer."""
    if not (work / "tokenizer.json").is_file():
        prepare(work)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    train = json.loads((work / "train.json").read_text())
    ids = []
    for chapters in train.values():
        for encoding in tokenizer.encode_batch(chapters):
            ids += [*encoding.ids, end]
    return ids, tokenizer


def heldout(work):
    """The chapters that are held out."""
    return [chapter for chapters in json.loads((work / "heldout.json").read_text()).values() for chapter in chapters]


def check(work):
    """No verse that is held out stands in a training chapter, but for formulas that recur."""
    train = "\n".join(c for chapters in json.loads((work / "train.json").read_text()).values() for c in chapters)
    known = set(train.splitlines())
    verses = [verse for chapter in heldout(work) for verse in chapter.splitlines()]
    shared = [verse for verse in verses if verse in known]
    assert len(shared) <= 2, shared
    ids, tokenizer = load(work)
    assert tokenizer.decode(ids[:200]).startswith("In the beginning God created")
    own = sum(len(tokenizer.encode(chapter).ids) for chapter in heldout(work))
    characters = sum(len(chapter) for chapter in heldout(work))
    print(f"{len(train):,} characters, {len(ids):,} tokens to train on; held out {characters:,} characters, {own:,} tokens,")
    print(f"{len(verses)} verses, {len(shared)} of which recur elsewhere; {characters / own:.2f} characters a token")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--check", action="store_true")
    args = args.parse_args()
    if args.check:
        return check(args.work)
    train, out = prepare(args.work)
    print(f"{len(train)} books to train on; held out: {', '.join(out)}")


if __name__ == "__main__":
    main()
