use super::*;
use std::fs;

/// A folder with a small word tokenizer that puts markers around a text.
fn folder(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let words = ["[CLS]", "[SEP]", "[MASK]", "a", "light", "the", "river", "##s"];
    let vocabulary: serde_json::Map<_, _> =
        words.iter().enumerate().map(|(i, word)| ((*word).to_owned(), i.into())).collect();
    let marker = |id: &str| serde_json::json!({ "SpecialToken": { "id": id, "type_id": 0 } });
    let special = |id: &str, number: u32| serde_json::json!({ "id": id, "ids": [number], "tokens": [id] });
    let added = |id: u32, text: &str| {
        serde_json::json!({
            "id": id, "content": text, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false
        })
    };
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": { "max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right" },
        "padding": null, "added_tokens": [added(0, "[CLS]"), added(1, "[SEP]"), added(2, "[MASK]")],
        "normalizer": null, "pre_tokenizer": { "type": "WhitespaceSplit" }, "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "post_processor": {
            "type": "TemplateProcessing", "single": [marker("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, marker("[SEP]")],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "[CLS]": special("[CLS]", 0), "[SEP]": special("[SEP]", 1) }
        },
        "model": { "type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocabulary }
    });
    fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
    dir
}

#[test]
fn markers_ids_and_texts() {
    let dir = folder(r#"{"mask_token": {"content": "[MASK]"}, "model_max_length": 64, "padding_side": "left"}"#);
    let tokenizer = TextTokenizer::open(dir.path()).unwrap();
    assert_eq!(*tokenizer.frame(), Frame { opening: vec![0], closing: vec![1] });
    // The file's own truncation does not cut.
    assert_eq!(tokenizer.encode("the light [MASK] the rivers").unwrap(), [5, 4, 2, 5, 6, 7]);
    assert_eq!(tokenizer.decode(&[0, 5, 6, 7, 1]).unwrap(), "the rivers");
    assert_eq!((tokenizer.vocabulary(), tokenizer.spelling(7).as_str()), (8, "##s"));
    assert_eq!(tokenizer.named("mask_token").unwrap(), Some(2));
    assert_eq!((tokenizer.named("eos_token").unwrap(), tokenizer.max_length().unwrap()), (None, Some(64)));
    assert!(tokenizer.chat_template().unwrap().is_none());
}

#[test]
fn what_is_missing_is_named() {
    let dir = folder(r#"{"mask_token": "<mask>", "chat_template": "{% for %}"}"#);
    let tokenizer = TextTokenizer::open(dir.path()).unwrap();
    assert!(tokenizer.named("mask_token").unwrap_err().to_string().contains("<mask>"));
    assert!(tokenizer.chat_template().err().unwrap().to_string().contains("not understood"));
    fs::write(dir.path().join("tokenizer.json"), "{").unwrap();
    assert!(TextTokenizer::open(dir.path()).err().unwrap().to_string().contains("export it again"));
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    assert!(TextTokenizer::open(dir.path()).err().unwrap().to_string().contains("AutoTokenizer"));
}

#[test]
fn conversations_are_rendered_as_transformers_does() {
    let template = "{%- if messages[0]['role'] == 'system' %}\n{{ messages[0].content | trim }}|{% endif %}\
        {% for m in messages if m.role != 'system' %}\n<{{ m['role'].upper() }}>{{ m['content'].strip() }}{{ eos_token }}{% endfor %}\
        {% if add_generation_prompt %}<ASSISTANT>{% endif %}";
    let config = serde_json::json!({ "eos_token": "[SEP]", "chat_template": template });
    let dir = folder(&config.to_string());
    let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
    let chat = TextTokenizer::open(dir.path()).unwrap().chat_template().unwrap().unwrap();
    let said = chat.render(&[message("system", " be brief "), message("user", "hello ")]).unwrap();
    assert_eq!(said, "be brief|<USER>hello[SEP]<ASSISTANT>");

    let refusing = serde_json::json!({ "chat_template": [
        { "name": "tools", "template": "no" }, { "name": "default", "template": "{{ raise_exception('only users') }}" }
    ]});
    let dir = folder(&refusing.to_string());
    let chat = TextTokenizer::open(dir.path()).unwrap().chat_template().unwrap().unwrap();
    assert!(chat.render(&[]).unwrap_err().to_string().contains("only users"));
    fs::write(dir.path().join("chat_template.jinja"), "own: {{ messages | length }}").unwrap();
    let chat = TextTokenizer::open(dir.path()).unwrap().chat_template().unwrap().unwrap();
    assert_eq!(chat.render(&[message("user", "x")]).unwrap(), "own: 1");
}
