//! The programs in Go, each a module of its own in a folder beside this one.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
};

use super::npm;

/// A program in Go.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    /// The folder of its module.
    pub(crate) module: &'static str,
    /// What it does with a package that need not be there.
    pub(crate) optional: Option<Optional>,
}

/// A package that some versions of a dependency have.
#[derive(Clone, Copy)]
pub(crate) struct Optional {
    pub(crate) package: &'static str,
    /// The file that uses it.
    pub(crate) with: &'static str,
    /// The file in its place.
    pub(crate) without: &'static str,
}

/// A program that has been built.
#[derive(Clone)]
struct Built {
    path: PathBuf,
    /// Why the package that need not be there is not.
    lacks: Option<String>,
}

impl Program {
    /// Where the program is, built when it is not yet. `None` when that cannot be, and the test is to be skipped.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        Some(self.built()?.path)
    }

    /// Why the package that need not be there is not, if so. `None` when the program cannot be built, and the test is to be
    /// skipped.
    ///
    /// `go list` says it, so the environment variable `GOWORK` may name a workspace in which the dependency is another one.
    #[cfg_attr(
        not(feature = "ragep2p"),
        expect(dead_code, reason = "others have none")
    )]
    pub(crate) fn lacks(&self) -> Option<Option<String>> {
        Some(self.built()?.lacks)
    }

    /// What the program prints with these arguments; `None` when the test is to be skipped.
    pub(crate) fn output(&self, args: &[&str]) -> Option<String> {
        let program = self.path()?.display().to_string();
        Some(npm::output(&program, args, Path::new(".")).expect("the Go peer runs"))
    }

    fn built(&self) -> Option<Built> {
        type All = HashMap<&'static str, Result<Built, String>>;
        static BUILT: LazyLock<Mutex<All>> = LazyLock::new(Mutex::default);
        let mut all = BUILT.lock().expect("building does not panic");
        let built = all.entry(self.module).or_insert_with(|| self.build());
        let built = built.clone();
        // To skip may be to panic, which would spoil it for the other tests.
        drop(all);
        match built {
            Ok(built) => Some(built),
            Err(reason) => npm::skip(&reason),
        }
    }

    /// Builds it in the target directory, one process at a time. What `go.sum` names is all that may be downloaded, once.
    fn build(&self) -> Result<Built, String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/interop")
            .join(self.module);
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interop-{}", self.module));
        let fail =
            |error: std::io::Error| format!("{} cannot be prepared: {error}", place.display());
        fs::create_dir_all(&place).map_err(fail)?;
        let guard = File::create(place.join("lock")).map_err(fail)?;
        guard.lock().map_err(fail)?;
        let path = place.join("peer");
        let output = path.display().to_string();
        // Also where the installer of golang.org puts it, for shells that do not look there. Either may be too old.
        let mut reasons = Vec::new();
        for go in ["go", "/usr/local/go/bin/go"] {
            let found = self.optional.map(|optional| {
                npm::output(go, &["list", optional.package], &sources).map(|_| optional)
            });
            let (files, lacks) = match found {
                Some(Ok(optional)) => (optional.files(&sources).map_err(fail)?, None),
                Some(Err(reason)) => (vec![".".to_owned()], Some(reason)),
                None => (vec![".".to_owned()], None),
            };
            let args = ["build", "-o", &output].into_iter();
            let args: Vec<_> = args.chain(files.iter().map(String::as_str)).collect();
            match npm::output(go, &args, &sources) {
                Ok(_) => return Ok(Built { path, lacks }),
                Err(reason) => reasons.push(reason),
            }
        }
        let needed = needed(&sources).map_err(fail)?;
        Err(format!(
            "{} (it needs {needed} or newer)",
            reasons.join("; ")
        ))
    }
}

impl Optional {
    /// Those of the program with the package.
    fn files(&self, sources: &Path) -> std::io::Result<Vec<String>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(sources)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".go") && name != self.without {
                files.push(name);
            }
        }
        assert!(files.iter().any(|name| name == self.with), "{files:?}");
        Ok(files)
    }
}

/// Which version of the language a module needs: `go 1.24`.
fn needed(sources: &Path) -> std::io::Result<String> {
    let module = fs::read_to_string(sources.join("go.mod"))?;
    let line = module.lines().find(|line| line.starts_with("go "));
    Ok(line.unwrap_or("some Go").to_owned())
}
