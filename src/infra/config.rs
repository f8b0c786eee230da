//! Settings: TOML, overridden by `BODEGA_*` in the environment. The only reader of either.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the settings {path} cannot be read: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the settings {path} are wrong: {detail}")]
    Format {
        /// Which.
        path: PathBuf,
        /// Where and why.
        detail: String,
    },
    /// A variable is not what it should be.
    #[error("the variable {name} is wrong: {detail}")]
    Variable {
        /// Which.
        name: &'static str,
        /// Why.
        detail: String,
    },
}

/// Requests per minute of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Without sign-in, by address.
    pub public: u32,
    /// Signing in, by address.
    pub sign_in: u32,
    /// With a token or session.
    pub api: u32,
    /// Verified deliveries, by channel.
    pub channel: u32,
    /// Failed signatures, by address.
    pub bad_signature: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { public: 60, sign_in: 10, api: 1000, channel: 6000, bad_signature: 60 }
    }
}

/// The queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// `sled`, `sqlite` or `memory`.
    pub backend: String,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { backend: "sled".to_owned() }
    }
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// A `tracing` filter.
    pub log: String,
    /// Files that are open at a time.
    pub open_files: usize,
    /// Requests per minute.
    pub limits: LimitSettings,
    /// The queue.
    pub queue: QueueSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("/var/lib/bodega"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            log: "info".to_owned(),
            open_files: 256,
            limits: LimitSettings::default(),
            queue: QueueSettings::default(),
        }
    }
}

impl Config {
    /// Reads the file, if one is named, and then the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut config = match file {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
                Self::parse(&text).map_err(|detail| ConfigError::Format { path: path.to_owned(), detail })?
            }
        };
        config.apply(variable)?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn apply(&mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
        if let Some(value) = lookup("BODEGA_DATA") {
            self.data = value.into();
        }
        if let Some(value) = lookup("BODEGA_LOG") {
            self.log = value;
        }
        if let Some(value) = lookup("BODEGA_QUEUE_BACKEND") {
            self.queue.backend = value;
        }
        set(&mut self.listen, "BODEGA_LISTEN", &lookup)?;
        set(&mut self.open_files, "BODEGA_OPEN_FILES", &lookup)?;
        set(&mut self.limits.public, "BODEGA_LIMITS_PUBLIC", &lookup)?;
        set(&mut self.limits.sign_in, "BODEGA_LIMITS_SIGN_IN", &lookup)?;
        set(&mut self.limits.api, "BODEGA_LIMITS_API", &lookup)?;
        set(&mut self.limits.channel, "BODEGA_LIMITS_CHANNEL", &lookup)?;
        set(&mut self.limits.bad_signature, "BODEGA_LIMITS_BAD_SIGNATURE", &lookup)
    }
}

fn set<T: std::str::FromStr>(
    field: &mut T,
    name: &'static str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError>
where
    T::Err: std::fmt::Display,
{
    if let Some(value) = lookup(name) {
        *field = value
            .parse()
            .map_err(|error: T::Err| ConfigError::Variable { name, detail: format!("`{value}`: {error}") })?;
    }
    Ok(())
}

/// Where the system keeps what nobody needs for long.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_the_file() {
        let mut config = Config::parse("listen = \"127.0.0.1:9000\"\n[limits]\napi = 5").unwrap();
        assert_eq!(config.limits.channel, 6000, "what the file does not name keeps its default");
        let environment = |name: &str| (name == "BODEGA_LIMITS_API").then(|| "7".to_owned());
        config.apply(environment).unwrap();
        assert_eq!((config.listen.port(), config.limits.api), (9000, 7));
    }

    #[test]
    fn a_wrong_setting_says_which_and_why() {
        let error = Config::parse("listne = \"x\"").unwrap_err();
        assert!(error.contains("listne"), "{error}");
        let environment = |name: &str| (name == "BODEGA_LISTEN").then(|| "here".to_owned());
        let error = Config::default().apply(environment).unwrap_err();
        assert!(error.to_string().starts_with("the variable BODEGA_LISTEN is wrong: `here`"), "{error}");
    }
}
