//! How a file was made.

use serde::{Deserialize, Serialize};

/// How a file was made, as it stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The text other tools read: prompt, negative prompt and settings in the form that the A1111 web interface writes.
    pub parameters: String,
    /// Everything, as a JSON document of ours. Empty in files of other tools.
    #[serde(rename = "edrun")]
    pub json: String,
}
