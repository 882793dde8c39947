use std::fmt::Display;
use std::path::PathBuf;

/// A set of test vectors and what became of each: passed, failed, or listed with the reason why it is not judged.
///
/// [`Self::finish`] prints the line that `cargo xtask vectors` collects, and fails the test when one failed.
#[derive(Debug)]
pub struct VectorSet {
    name: String,
    folder: PathBuf,
    passed: usize,
    listed: Vec<String>,
    failed: Vec<String>,
}

impl VectorSet {
    /// The set in `vectors/FOLDER` of the project.
    pub fn in_folder(name: &str, folder: &str) -> Self {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors")).join(folder);
        Self { name: name.into(), folder, passed: 0, listed: Vec::new(), failed: Vec::new() }
    }

    /// A file of the set.
    pub fn file(&self, path: &str) -> Vec<u8> {
        let path = self.folder.join(path);
        match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }

    /// The names of the files in a folder of the set, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The rows of a table with tabs, without its heading.
    pub fn table(&self, path: &str) -> Vec<Vec<String>> {
        let text = String::from_utf8_lossy(&self.file(path)).into_owned();
        text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// One vector's outcome: `Ok` when it is the expected one.
    pub fn check<E: Display>(&mut self, vector: &str, outcome: Result<(), E>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => self.failed.push(format!("{vector}: {error}")),
        }
    }

    /// A vector that does not apply here, and why.
    pub fn list(&mut self, vector: &str, because: &str) {
        self.listed.push(format!("{vector}: {because}"));
    }

    /// A vector known not to come out as the table says, and why. That it does after all is a failure.
    pub fn list_divergence<T, E>(&mut self, vector: &str, because: &str, outcome: &Result<T, E>) {
        match outcome {
            Err(_) => self.list(vector, because),
            Ok(_) => self.failed.push(format!("{vector}: listed ({because}), but it passes")),
        }
    }

    /// Prints the outcome.
    #[allow(clippy::print_stdout, reason = "the line that `cargo xtask vectors` collects")]
    pub fn finish(self) {
        let Self { name, passed, listed, failed, .. } = self;
        println!("vectors: {name}: {passed} passed, {} failed, {} listed", failed.len(), listed.len());
        assert!(failed.is_empty(), "{name}:\n{}", failed.join("\n"));
        assert!(passed > 0, "{name}: nothing was checked");
    }
}
