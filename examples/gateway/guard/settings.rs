//! The settings file of the gateway.

use std::{path::Path, time::Duration};

use portcullis::{
    settings::SettingsError,
    settings_file::{FileEvent, FileSource},
};

/// Within what time an edit is in force.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Returns the file as a source that says on the terminal what becomes of edits.
pub(crate) fn settings_in(file: &Path) -> Result<FileSource, SettingsError> {
    let source = FileSource::new(file).interval(LOOK_EVERY)?;
    Ok(source.observed_by(tell))
}

fn tell(event: &FileEvent<'_>) {
    match event {
        FileEvent::Applied(report) => {
            let changed = report.iter().flat_map(|(name, applied)| {
                let fields = applied.changed().iter();
                fields.map(move |field| format!("{field} of {name}"))
            });
            let changed: Vec<_> = changed.collect();
            if !changed.is_empty() {
                println!("      settings: new {}", changed.join(", "));
            }
        }
        FileEvent::Failed(error) => println!("      settings: {error}"),
        _ => {}
    }
}
