use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{BodyId, Error};

/// One file for each body.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// On the disk when this returns.
    pub(super) async fn put(&self, id: BodyId, sealed: Vec<u8>) -> Result<(), Error> {
        let (folder, file) = (self.0.clone(), self.file(id));
        blocking(move || {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            // Gateway and portal may be two users of one group; what is in it is sealed.
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
            let mut out = options.open(file)?;
            out.write_all(&sealed)?;
            out.sync_all()?;
            // The name has to be on the disk as well.
            std::fs::File::open(folder)?.sync_all()
        })
        .await
    }

    pub(super) async fn get(&self, id: BodyId) -> Result<Option<Vec<u8>>, Error> {
        let file = self.file(id);
        match blocking(move || std::fs::read(file)).await {
            Err(Error::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
            sealed => sealed.map(Some),
        }
    }

    pub(super) async fn remove(&self, id: BodyId) -> Result<(), Error> {
        let file = self.file(id);
        match blocking(move || std::fs::remove_file(file)).await {
            Err(Error::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    pub(super) async fn older_than(&self, age: Duration) -> Result<Vec<BodyId>, Error> {
        let folder = self.0.clone();
        blocking(move || {
            let mut found = Vec::new();
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                // What has no name of ours is not ours to remove.
                let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                let since = entry.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
                if matches!(since, Ok(Ok(since)) if since >= age) {
                    found.push(id);
                }
            }
            Ok(found)
        })
        .await
    }

    fn file(&self, id: BodyId) -> PathBuf {
        self.0.join(id.to_string())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable { because: error.to_string() })?.map_err(Error::from)
}
