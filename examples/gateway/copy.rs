//! A settings file of the run's own, to edit while it goes on.

use std::{fs, io, path::PathBuf, process};

/// What is in the file at first.
pub(crate) const TEXT: &str = include_str!("gateway.toml");

/// A copy of the settings file, which is removed at the end.
pub(crate) struct SettingsCopy {
    directory: PathBuf,
}

impl SettingsCopy {
    pub(crate) fn create() -> io::Result<Self> {
        let name = format!("portcullis-gateway-{}", process::id());
        let copy = Self {
            directory: std::env::temp_dir().join(name),
        };
        fs::create_dir_all(&copy.directory)?;
        copy.write(TEXT)?;
        Ok(copy)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("gateway.toml")
    }

    pub(crate) fn write(&self, text: &str) -> io::Result<()> {
        fs::write(self.path(), text)
    }
}

impl Drop for SettingsCopy {
    fn drop(&mut self) {
        // It lies where the system cleans up anyway.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
