//! Chat templates: Jinja, as `tokenizer_config.json` or `chat_template.jinja` hold them.

use anyhow::{Context, Result, anyhow, bail};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize;
use serde_json::Value;

use crate::prompt::Config;

/// A turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// A folder's chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Texts of the named tokens, which templates spell out.
    tokens: Vec<(String, String)>,
}

const NAME: &str = "chat_template";

impl ChatTemplate {
    /// Reads the template of a tokenizer folder.
    pub(super) fn read(config: &Config) -> Result<Option<Self>> {
        let Some(source) = source(config)? else { return Ok(None) };
        let mut environment = Environment::new();
        // As transformers renders them.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |text: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, text))
        });
        environment
            .add_template_owned(NAME, source)
            .map_err(|error| anyhow!("the chat template of {} is not understood: {error}", config.file().display()))?;
        let mut tokens = Vec::new();
        for key in ["bos_token", "eos_token", "pad_token", "mask_token"] {
            tokens.extend(config.token(key)?.map(|text| (key.to_owned(), text)));
        }
        Ok(Some(Self { environment, tokens }))
    }

    /// The prompt that asks the model for the next turn.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn render(&self, messages: &[Message]) -> Result<String> {
        let tokens = self.tokens.iter().cloned().collect::<std::collections::BTreeMap<_, _>>();
        let values = context! { messages => messages, add_generation_prompt => true, ..minijinja::Value::from_serialize(tokens) };
        let template = self.environment.get_template(NAME).context("the chat template is lost")?;
        template.render(values).map_err(|error| anyhow!("the chat template refuses the conversation: {error}"))
    }
}

/// The template's text: a file of its own, or a key, whose list may hold several by name.
fn source(config: &Config) -> Result<Option<String>> {
    let own = config.file().with_file_name("chat_template.jinja");
    if own.is_file() {
        return std::fs::read_to_string(&own).map(Some).with_context(|| format!("cannot read {}", own.display()));
    }
    match config.entry("chat_template") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Array(list)) => {
            let default = list.iter().find(|t| t.get("name").and_then(Value::as_str) == Some("default"));
            let text = default.or(list.first()).and_then(|t| t.get("template")).and_then(Value::as_str);
            text.map(|text| Some(text.to_owned()))
                .with_context(|| format!("{} lists chat templates without \"template\"", config.file().display()))
        }
        Some(_) => bail!("{} has a \"chat_template\" that is no text", config.file().display()),
    }
}
