//! Writes the seeds of every entry into folders of their own, for the fuzz targets: `seeds FOLDER`.

use std::io::{Error, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or_else(|| Error::other("usage: seeds FOLDER"))?);
    for entry in entries::ENTRIES {
        let folder = folder.join(entry.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in entry.seeds().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}
