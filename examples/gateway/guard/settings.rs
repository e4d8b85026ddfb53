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
            for (name, applied) in report.iter() {
                for field in applied.changed() {
                    println!("      settings: {name} has a new {field}");
                }
                for field in applied.kept() {
                    println!("      settings: {name} has a new {field} when it starts again");
                }
            }
        }
        FileEvent::Failed(error) => println!("      settings: as they were, since {error}"),
        _ => {}
    }
}
