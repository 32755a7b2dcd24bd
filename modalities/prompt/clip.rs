//! CLIP's byte-pair tokenizer from `vocab.json` and `merges.txt`, equal to transformers' `CLIPTokenizer` (4.57, without
//! ftfy: the tokenizer's own fallback and what a plain `pip install diffusers transformers` runs).

use super::config::Config;
use super::special::Specials;
use super::{Full, clean::clean, words::words};
use anyhow::{Context, Result, anyhow, bail};
use std::path::Path;
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// `CLIPTokenizer` reads this many merges and no more, however long the file is.
const MAX_MERGES: usize = 49152 - 256 - 2;

/// CLIP's tokenizer, without length and padding.
pub struct Clip {
    pairs: BPE,
    letters: [char; 256],
    specials: Specials,
    bos: u32,
    eos: u32,
    pad: u32,
    tidy_spaces: bool,
}

impl Clip {
    /// Opens `vocab.json` and `merges.txt` in `dir`.
    pub fn open(dir: &Path, config: &Config) -> Result<Self> {
        let vocab = vocabulary(&dir.join("vocab.json"))?;
        let merges = merges(&dir.join("merges.txt"))?;
        fits(dir, &vocab, &merges)?;
        let specials = Specials::new(config, default, |text| vocab.get(text).copied())?;
        let unknown = config.token("unk_token")?.unwrap_or_else(|| END.to_owned());
        let pairs = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .unk_token(unknown)
            .end_of_word_suffix("</w>".to_owned())
            // The cache is for corpora; a prompt is read once.
            .cache_capacity(0)
            .build()
            .map_err(|error| {
                anyhow!(
                    "vocab.json and merges.txt in {} do not fit together ({error}): copy both from the same model",
                    dir.display()
                )
            })?;
        let id = |key: &str| named(config, &specials, key);
        let (bos, eos, pad) = (id("bos_token")?, id("eos_token")?, id("pad_token")?);
        Ok(Self { pairs, letters: letters(), bos, eos, pad, tidy_spaces: config.tidy_spaces(), specials })
    }

    /// The id of the padding token.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// All ids of `text`, between the start and the end marker.
    pub fn encode(&self, text: &str) -> Result<Full> {
        let mut ids = vec![self.bos];
        for piece in self.specials.split(text) {
            match self.specials.id(&piece) {
                Some(id) => ids.push(id),
                None => self.push_words(&clean(&piece), &mut ids)?,
            }
        }
        ids.push(self.eos);
        Ok(Full { ids, closing: 1 })
    }

    fn push_words(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        for word in words(text) {
            // The markers are whole words even where only lower-casing made them.
            if let Some(id) = [START, END].contains(&word).then(|| self.pairs.token_to_id(word)).flatten() {
                ids.push(id);
                continue;
            }
            let spelled: String = word.bytes().map(|byte| self.letters[usize::from(byte)]).collect();
            let tokens =
                self.pairs.tokenize(&spelled).map_err(|error| anyhow!("cannot tokenise the word {word:?}: {error}"))?;
            ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }

    /// The text of `ids`, as `CLIPTokenizer.decode` gives it: tokens added to the vocabulary stand apart.
    pub fn decode(&self, ids: &[u32]) -> String {
        let added = |id: &u32| self.specials.text(*id).filter(|_| self.pairs.id_to_token(*id).is_none());
        let mut parts: Vec<String> = Vec::new();
        for group in ids.chunk_by(|a, b| added(a).is_none() && added(b).is_none()) {
            match group.first().and_then(added) {
                Some(text) => parts.push(text.to_owned()),
                None => parts.push(self.spell(group)),
            }
        }
        let text = parts.join(" ");
        if self.tidy_spaces { tidy(text) } else { text }
    }

    fn spell(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        for letter in ids.iter().filter_map(|&id| self.pairs.id_to_token(id)).collect::<String>().chars() {
            match self.letters.iter().position(|&l| l == letter) {
                Some(byte) => bytes.push(byte as u8),
                None => bytes.extend(letter.to_string().bytes()),
            }
        }
        String::from_utf8_lossy(&bytes).replace("</w>", " ").trim().to_owned()
    }
}

/// What `CLIPTokenizer.__init__` assumes for a named token.
fn default(key: &str) -> Option<&'static str> {
    match key {
        "bos_token" => Some(START),
        "eos_token" | "unk_token" | "pad_token" => Some(END),
        _ => None,
    }
}

fn named(config: &Config, specials: &Specials, key: &str) -> Result<u32> {
    let text = config.token(key)?.or_else(|| default(key).map(str::to_owned)).unwrap_or_default();
    specials
        .id(&text)
        .with_context(|| format!("{} has no usable \"{key}\": export the tokenizer again", config.file().display()))
}

fn vocabulary(file: &Path) -> Result<Vocab> {
    let text = read(file)?;
    let vocab: Vocab = serde_json::from_slice(&text).map_err(|error| {
        anyhow!("{} is not a JSON object of token ids ({error}): copy it again from the model", file.display())
    })?;
    for marker in [START, END] {
        if !vocab.contains_key(marker) {
            bail!("{} lacks the token {marker}: it is not CLIP's vocabulary", file.display());
        }
    }
    Ok(vocab)
}

fn merges(file: &Path) -> Result<Merges> {
    let text = String::from_utf8(read(file)?)
        .map_err(|_| anyhow!("{} is not UTF-8 text: copy it again from the model", file.display()))?;
    // The first line is a version header, whatever it says.
    let lines = text.trim().lines().enumerate().skip(1).take(MAX_MERGES).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            pair(line).with_context(|| {
                format!(
                    "line {} of {} is not a pair of tokens: copy the file again from the model",
                    number + 1,
                    file.display()
                )
            })
        })
        .collect()
}

/// The `tokenizers` crate copies a merged token into a buffer as long as the longest known one, unchecked.
fn fits(dir: &Path, vocab: &Vocab, merges: &Merges) -> Result<()> {
    let longest = vocab.keys().map(String::len).max().unwrap_or(0);
    match merges.iter().find(|(left, right)| left.len() + right.len() > longest) {
        None => Ok(()),
        Some((left, right)) => bail!(
            "merges.txt in {} makes the token {left}{right}, which vocab.json lacks: copy both from the same model",
            dir.display()
        ),
    }
}

fn pair(line: &str) -> Option<(String, String)> {
    let (left, right) = line.trim().split_once(' ')?;
    (!right.contains(' ')).then(|| (left.to_owned(), right.to_owned()))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        anyhow!(
            "cannot read {} ({error}): the tokenizer needs it, export the model again with its tokenizer",
            file.display()
        )
    })
}

/// GPT-2's spelling of bytes as visible letters: printable Latin-1 stands for itself, the rest follows from U+0100 on.
fn letters() -> [char; 256] {
    let mut next = 0x100_u32;
    std::array::from_fn(|byte| {
        let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if printable { byte as u32 } else { next };
        next += u32::from(!printable);
        char::from_u32(code).unwrap_or('\u{fffd}')
    })
}

/// transformers' `clean_up_tokenization`.
fn tidy(text: String) -> String {
    const RULES: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    RULES.iter().fold(text, |text, (from, to)| text.replace(from, to))
}
