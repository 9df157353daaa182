//! `completions` and `man`.

use std::{fs, path::Path};

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::{cli::Cli, failure::Failure, print};

/// Prints what completes the arguments in a shell.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "multiserver", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Prints the manual page, or writes those of all commands to a directory.
pub(crate) fn man(directory: Option<&Path>) -> Result<(), Failure> {
    // Of `help` there is no page.
    let command = Cli::command().disable_help_subcommand(true);
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| Failure::io("cannot write the page", &error))?;
        return print(&String::from_utf8_lossy(&page));
    };
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .map_err(|error| {
            let what = format!("cannot write to `{}`", directory.display());
            Failure::io(&what, &error).of_usage()
        })
}
