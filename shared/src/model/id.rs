//! Reads and writes the settings of a model with its names as files and messages have them: `name` at the provider, and `id`.

use std::mem::swap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ModelSettings;

impl ModelSettings {
    /// Takes each of two names for the other, if there are two: in a file the `id` comes beside the name, and in the program it comes
    /// first.
    fn swap_names(&mut self) {
        if let Some(other) = &mut self.name_at_provider {
            swap(other, &mut self.name);
        }
    }
}

impl Serialize for ModelSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = self.clone();
        written.swap_names();
        Self::serialize(&written, serializer)
    }
}

impl<'de> Deserialize<'de> for ModelSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = Self::deserialize(deserializer)?;
        read.swap_names();
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_goes_before_the_name_and_is_written_as_it_was_read() {
        let read: ModelSettings = toml::from_str("name = 'gpt-4o-mini'\nid = 'mini-azure'").expect("reads");
        assert_eq!((read.name.as_str(), read.name_at_provider()), ("mini-azure", "gpt-4o-mini"));
        let written = serde_json::to_value(&read).expect("writes");
        assert_eq!((&written["name"], &written["id"]), (&"gpt-4o-mini".into(), &"mini-azure".into()));
        assert_eq!(serde_json::from_value::<ModelSettings>(written).expect("reads"), read);
        let plain: ModelSettings = toml::from_str("name = 'm'").expect("reads");
        assert_eq!((plain.name.as_str(), plain.name_at_provider()), ("m", "m"));
        assert!(serde_json::to_value(&plain).expect("writes").get("id").is_none());
        let mut known = ModelSettings { name_at_provider: Some("gpt-4o-mini".to_owned()), ..ModelSettings::named("a") };
        known.fill_in_known();
        assert!(known.price.is_some(), "the name at the provider has the price");
        let problems = |id: &str| {
            let toml = format!("name = 'm'\nid = {id:?}\nbase_url = 'http://127.0.0.1:9'");
            toml::from_str::<ModelSettings>(&toml).expect("reads").problems(false)
        };
        assert!(problems("a").is_empty() && problems(" ")[0].contains("expected a name"));
    }
}
