//! Which providers run which component: how `--ep` is read.
//!
//! ```text
//! openvino                               every component, on the first provider that can
//! tensorrt,cuda,cpu                      an order of preference, node by node
//! cpu,unet=openvino                      every component on cpu, but the unet
//! unet=openvino,vae_decoder=cpu          components that are not named run on cpu
//! openvino:precision=bf16                settings follow colons
//! tensorrt:fp16,cache=DIR,unet=cuda:0    and commas, while they are settings of that provider
//! openvino:device="AUTO:GPU,CPU"         quotes keep colons and commas
//! ```

use super::{Provider, ProviderChoice, provider_error};
use crate::error::{Error, Result};
use std::fmt;

/// The providers of every component, in order of preference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Providers {
    default: Vec<ProviderChoice>,
    components: Vec<(String, Vec<ProviderChoice>)>,
}

impl From<Vec<ProviderChoice>> for Providers {
    /// The same for every component.
    fn from(default: Vec<ProviderChoice>) -> Self {
        Self { default, components: Vec::new() }
    }
}

impl Providers {
    /// Reads lists as this module describes them; each of them starts anew with every component.
    ///
    /// A part that follows a comma is a setting if the provider before it has one of that name;
    /// otherwise it names the next provider, with `COMPONENT=` in front if it is for that one.
    /// A provider without a component continues the list before it. `plugins` are names that
    /// stand for plugin libraries, whose settings follow colons only.
    ///
    /// # Errors
    /// `Provider` for an empty list, an unknown name or setting, a value out of range, a setting
    /// given twice, a provider named twice for one component.
    pub fn parse(texts: &[impl AsRef<str>], plugins: &[&str]) -> Result<Self> {
        let mut all = Self::default();
        for text in texts {
            all.read(text.as_ref(), plugins)?;
        }
        Ok(all)
    }

    /// The providers of a component, in order of preference; the processor's if none were named.
    pub fn of(&self, component: &str) -> Vec<ProviderChoice> {
        let own = self.components.iter().find(|(name, _)| name == component).map(|(_, list)| list);
        match own.unwrap_or(&self.default) {
            list if list.is_empty() => vec![ProviderChoice::named("cpu")],
            list => list.clone(),
        }
    }

    /// The components that have a list of their own.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.components.iter().map(|(name, _)| name.as_str())
    }

    /// Every provider asked for, for whichever component.
    pub fn all(&self) -> Vec<ProviderChoice> {
        let lists = self.components.iter().map(|(_, list)| list).chain([&self.default]);
        lists.flatten().cloned().collect()
    }

    /// The name of every provider asked for, the most important first.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for choice in self.all() {
            if !names.contains(&choice.name) {
                names.push(choice.name);
            }
        }
        names
    }

    /// Checks that every component named is one of these.
    ///
    /// # Errors
    /// `Provider`, naming the one that is not there and those that are.
    pub fn check_components(&self, there: &[String]) -> Result<()> {
        match self.components().find(|name| there.iter().all(|known| known != name)) {
            None => Ok(()),
            Some(name) => {
                let there = there.join(", ");
                Err(provider_error(format!("--ep names a component `{name}`, and the model has {there}")))
            }
        }
    }

    fn read(&mut self, text: &str, plugins: &[&str]) -> Result<()> {
        let mut target = None;
        let mut current: Option<ProviderChoice> = None;
        for Part { is_setting, text } in parts(text)? {
            let follows = current.as_mut().filter(|choice| is_setting || choice.takes(&text));
            if let Some(choice) = follows {
                choice.add(&text)?;
                continue;
            }
            let (component, name) = match text.split_once('=') {
                Some((component, name)) => (Some(component.trim()), name.trim()),
                None => (None, text.as_str()),
            };
            let next = choice(name, plugins).map_err(|cause| explain(cause, component, current.as_ref()))?;
            self.push(target.as_deref(), current.replace(next))?;
            target = component.map(str::to_owned).or(target);
        }
        self.push(target.as_deref(), current)
    }

    fn push(&mut self, component: Option<&str>, choice: Option<ProviderChoice>) -> Result<()> {
        let Some(choice) = choice else { return Ok(()) };
        let list = match component {
            None => &mut self.default,
            Some(component) => self.list_of(component),
        };
        if list.iter().any(|earlier| earlier.name == choice.name) {
            return Err(provider_error(format!("provider `{}` is named twice", choice.name)));
        }
        list.push(choice);
        Ok(())
    }

    fn list_of(&mut self, component: &str) -> &mut Vec<ProviderChoice> {
        let at = self.components.iter().position(|(name, _)| name == component).unwrap_or_else(|| {
            self.components.push((component.to_owned(), Vec::new()));
            self.components.len() - 1
        });
        &mut self.components[at].1
    }
}

fn choice(name: &str, plugins: &[&str]) -> Result<ProviderChoice> {
    match plugins.contains(&name) {
        true => Ok(ProviderChoice::named(name)),
        false => Ok(ProviderChoice::named(Provider::find(name)?.name)),
    }
}

/// `cahce=DIR` reads as a component and a provider, and was meant as neither.
fn explain(cause: Error, component: Option<&str>, before: Option<&ProviderChoice>) -> Error {
    let Some((key, row)) = component.zip(before.and_then(ProviderChoice::row)) else { return cause };
    let settings: Vec<_> = row.settings.iter().map(|setting| setting.name).collect();
    let settings = settings.join(", ");
    provider_error(format!("`{key}` is no setting of {} (they are {settings}), and as a component: {cause}", row.name))
}

/// What lies between two separators.
struct Part {
    /// Whether it follows a colon.
    is_setting: bool,
    text: String,
}

/// Splits at commas and colons, except inside quotes.
fn parts(text: &str) -> Result<Vec<Part>> {
    let mut parts = vec![Part { is_setting: false, text: String::new() }];
    let mut quote = None;
    for letter in text.chars() {
        let Some(last) = parts.last_mut() else { break };
        match letter {
            _ if quote == Some(letter) => quote = None,
            _ if quote.is_some() => last.text.push(letter),
            '"' | '\'' => quote = Some(letter),
            ',' | ':' => parts.push(Part { is_setting: letter == ':', text: String::new() }),
            _ => last.text.push(letter),
        }
    }
    if let Some(quote) = quote {
        return Err(provider_error(format!("a closing {quote} is missing in `{text}`")));
    }
    parts.iter_mut().for_each(|part| part.text = part.text.trim().to_owned());
    Ok(parts)
}

impl fmt::Display for Providers {
    /// As they would be asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |list: &[ProviderChoice]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let default = Some(list(&self.default)).filter(|text| !text.is_empty());
        let own = self.components.iter().map(|(name, choices)| format!("{name}={}", list(choices)));
        f.write_str(&default.into_iter().chain(own).collect::<Vec<_>>().join(","))
    }
}
