//! `sealpost demo`: an organisation, its people and its partners on loopback, and the whole story with each step
//! checked for real. What runs is what `serve` runs, from a configuration that lies in the folder.

mod browser;
mod cast;
mod mailbox;
mod stage;
mod story;

use std::time::Duration;

use crate::cli::Demo;
use crate::outcome::{Doing, Stop};
use crate::serve;

use stage::Stage;

/// `sealpost demo`
pub(crate) fn run(arguments: &Demo) -> Result<(), Stop> {
    let kept = arguments.data.clone();
    let temporary = match &kept {
        Some(folder) => {
            std::fs::create_dir_all(folder).doing(format_args!("make the folder {}", folder.display()))?;
            None
        }
        None => Some(tempfile::Builder::new().prefix("sealpost-demo-").tempdir().doing("make a temporary folder")?),
    };
    let folder = match (&kept, &temporary) {
        (Some(folder), _) => std::path::absolute(folder).doing("find the folder")?,
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => return Err(Stop::failed("there is no folder")),
    };
    let runtime = serve::runtime()?;
    let stage = Stage::set(&runtime, &folder, arguments.smtp_port, arguments.http_port)?;
    stage.introduce();
    story::play(&stage, &runtime).map_err(|broken| {
        Stop::refused(format_args!("the story stops here: {broken}"))
            .hint("what was delivered lies in the folder above")
    })?;
    if !arguments.once {
        stage.explain();
        runtime.block_on(async {
            tokio::select! {
                told = serve::until_told_to_stop() => told,
                never = stage.keep_trying() => match never {},
            }
        })?;
        say!("\nstopping");
    }
    stage.strike(&runtime);
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(())
}
