use super::*;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const MERGES: &str = include_str!("../testdata/clip_merges.txt");
const GOLDEN: &str = include_str!("../testdata/clip_prompts.json");

/// A tokenizer folder with CLIP's vocabulary, which follows from its merges.
fn folder(files: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("merges.txt"), MERGES).unwrap();
    fs::write(dir.path().join("vocab.json"), vocab().to_string()).unwrap();
    for (name, content) in files.as_object().into_iter().flatten() {
        fs::write(dir.path().join(name), content.to_string()).unwrap();
    }
    dir
}

fn vocab() -> Value {
    let printable = |b: &u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let own = (0..=255).filter(printable).map(char::from);
    let rest = (0x100..).take(256 - own.clone().count()).filter_map(char::from_u32);
    let letters: Vec<String> = own.chain(rest).map(String::from).collect();
    let ends = letters.iter().map(|l| format!("{l}</w>"));
    let merged = MERGES.lines().skip(1).map(|line| line.replace(' ', ""));
    let markers = ["<|startoftext|>", "<|endoftext|>"].map(String::from);
    let all = letters.iter().cloned().chain(ends).chain(merged).chain(markers);
    all.enumerate().map(|(id, token)| (token, Value::from(id))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn tokens_equal_those_of_transformers() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let (mut prompts, mut wrong) = (0, Vec::new());
    for (name, case) in golden.as_object().unwrap() {
        let dir = folder(&case["files"]);
        let tokenizer = PromptTokenizer::open(dir.path()).unwrap();
        for row in case["prompts"].as_array().unwrap() {
            let text = row[0].as_str().unwrap();
            let expected: Vec<i64> = serde_json::from_value(row[1].clone()).unwrap();
            let given = tokenizer.encode(text).unwrap();
            let padding = vec![case["pad"].as_i64().unwrap(); 77 - expected.len()];
            let right = given.ids == [&expected[..], &padding].concat()
                && given.tokens == expected.len()
                && given.cut.as_deref() == row[2].as_str();
            prompts += 1;
            if !right {
                wrong.push(format!("{name} {text:?}\n  {:?}\n  {:?}", row, (&given.ids[..given.tokens], &given.cut)));
            }
        }
    }
    assert!(prompts >= 220, "only {prompts} prompts in the golden file");
    assert!(wrong.is_empty(), "{} of {prompts}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_prompt_of_ten_megabytes_is_refused_by_size() {
    let dir = folder(&json!({}));
    let tokenizer = PromptTokenizer::open(dir.path()).unwrap();
    let error = tokenizer.encode(&"a".repeat(10 << 20)).unwrap_err().to_string();
    assert!(error.contains("prompt has 10485760 bytes") && error.contains("65536"), "{error}");
    tokenizer.encode(&"a".repeat(MAX_PROMPT_BYTES)).unwrap();
}

#[test]
fn every_character_is_tokenised() {
    let dir = folder(&json!({}));
    let tokenizer = PromptTokenizer::open(dir.path()).unwrap();
    let all: Vec<char> = (0..=0x10ffff).filter_map(char::from_u32).collect();
    for some in all.chunks(8000) {
        let text: String = some.iter().collect();
        assert_eq!(tokenizer.encode(&text).unwrap().ids.len(), 77);
    }
}

#[test]
fn bad_folders_are_named() {
    type Break = fn(&Path);
    fn write(dir: &Path, name: &str, text: &str) {
        fs::write(dir.join(name), text).unwrap();
    }
    let cases: &[(&str, Break)] = &[
        ("vocab.json", |d| fs::remove_file(d.join("vocab.json")).unwrap()),
        ("merges.txt", |d| fs::remove_file(d.join("merges.txt")).unwrap()),
        ("vocab.json is not a JSON object", |d| write(d, "vocab.json", "{\"a\": ")),
        ("vocab.json is not a JSON object", |d| write(d, "vocab.json", "{\"a\": -1}")),
        ("lacks the token <|startoftext|>", |d| write(d, "vocab.json", "{\"a\": 1}")),
        ("line 2 of", |d| write(d, "merges.txt", "#version\nabc\n")),
        ("is not UTF-8", |d| fs::write(d.join("merges.txt"), [0xff, 0xfe]).unwrap()),
        ("do not fit together", |d| write(d, "merges.txt", "#version\nzzzz qqqq\n")),
        ("which vocab.json lacks", |d| write(d, "merges.txt", &format!("#version\n{0} {0}\n", "z".repeat(99)))),
        ("tokenizer_config.json is not JSON", |d| write(d, "tokenizer_config.json", "{")),
        ("does not hold a JSON object", |d| write(d, "tokenizer_config.json", "[]")),
        ("\"<pad>\"", |d| write(d, "tokenizer_config.json", "{\"pad_token\": \"<pad>\"}")),
        ("the token 3 of", |d| write(d, "tokenizer_config.json", "{\"pad_token\": 3}")),
        ("model_max_length", |d| write(d, "tokenizer_config.json", "{\"model_max_length\": 0}")),
        ("T5Tokenizer", |d| write(d, "tokenizer_config.json", "{\"tokenizer_class\": \"T5Tokenizer\"}")),
        ("padding_side", |d| write(d, "tokenizer_config.json", "{\"padding_side\": \"left\"}")),
        ("valid id", |d| {
            write(d, "tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}");
        }),
        ("cannot read the tokenizer", |d| {
            fs::remove_file(d.join("vocab.json")).unwrap();
            write(d, "tokenizer.json", "{}");
        }),
    ];
    for (text, harm) in cases {
        let dir = folder(&json!({}));
        harm(dir.path());
        let error = PromptTokenizer::open(dir.path()).err().map(|e| format!("{e:#}")).unwrap_or_default();
        assert!(error.contains(text) && !error.contains('\n'), "wanted {text:?}, got {error:?}");
    }
    let error = PromptTokenizer::open(&PathBuf::from("/nowhere")).err().unwrap().to_string();
    assert!(error.contains("/nowhere is missing"));
}

/// A word-level `tokenizer.json` with markers, as T5's export would be.
fn ready() -> Value {
    let marker = |content: &str, id: u32| json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": {"type": "Lowercase"},
        "added_tokens": [marker("<pad>", 0), marker("</s>", 1), marker("<unk>", 2)],
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
        "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "model": {"type": "WordLevel", "vocab": {"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "red": 4, "cube": 5}, "unk_token": "<unk>"}
    })
}

#[test]
fn a_ready_tokenizer_is_used_cut_and_padded() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tokenizer.json"), ready().to_string()).unwrap();
    let config = json!({"tokenizer_class": "T5Tokenizer", "model_max_length": 5, "pad_token": {"content": "<pad>"}});
    fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let tokenizer = PromptTokenizer::open(dir.path()).unwrap();
    let table: [(&str, [i64; 5], usize, Option<&str>); 4] = [
        ("", [1, 0, 0, 0, 0], 1, None),
        ("A red cube", [3, 4, 5, 1, 0], 4, None),
        ("a red red cube", [3, 4, 4, 5, 1], 5, None),
        ("a red red cube a cube", [3, 4, 4, 5, 1], 5, Some("a cube")),
    ];
    for (text, ids, tokens, cut) in table {
        let expected = Encoded { ids: ids.to_vec(), tokens, cut: cut.map(str::to_owned) };
        assert_eq!(tokenizer.encode(text).unwrap(), expected, "{text:?}");
    }
    assert_eq!(tokenizer.with_max_length(3).unwrap().encode("a red cube").unwrap().ids, [3, 4, 1]);
}

#[test]
fn clip_parts_win_over_a_ready_file_only_for_the_class_that_reads_them() {
    for (class, first) in [("CLIPTokenizer", 49406), ("CLIPTokenizerFast", 3)] {
        let config = json!({"tokenizer_class": class, "model_max_length": 8, "pad_token": "<|endoftext|>"});
        let dir = folder(&json!({"tokenizer_config.json": config, "tokenizer.json": ready()}));
        // The small file lacks CLIP's padding token.
        let opened = PromptTokenizer::open(dir.path());
        match class {
            "CLIPTokenizer" => assert_eq!(opened.unwrap().encode("a").unwrap().ids[0], first),
            _ => assert!(opened.err().unwrap().to_string().contains("pad_token")),
        }
    }
}
