//! `recipe serve MODEL`: a model behind HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::Args;

use super::predict::no_bundle;
use super::{Program, complete};
use crate::error::{Error, Result};
use crate::run::Session;
use crate::serve::{Found, Limits, Options, Served, serve as listen};
use crate::store::Access;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The directory of a bundle, or `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID` of this project. Where the alias moves, the new version takes over.
    #[arg(add = complete::models())]
    model: String,
    /// The address to listen on: beyond loopback, whoever reaches it may ask.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// 0: any that is free.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// A name by which clients may call the server; on loopback, beside this machine's own.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Bytes of a request's body.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body, value_parser = clap::value_parser!(usize))]
    max_body: usize,
    /// Clients at a time.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Seconds that a client may take over its headers, and over its body, and may say nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().patience.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

pub fn serve(program: &Program, args: &ServeArgs) -> Result<ExitCode> {
    if args.max_connections == 0 {
        return Err(Error::usage("`--max-connections` is a number from 1"));
    }
    let (stop, stopped) = channel();
    ctrlc::set_handler(move || {
        // A second signal changes nothing.
        let _ = stop.send(());
    })
    .ok();
    let terminal = program.terminal.clone();
    let served = Served::new(finder(program, &args.model)?, move |text| terminal.say(text))?;
    let limits = Limits { body: args.max_body, patience: Duration::from_secs(args.timeout), connections: args.max_connections };
    let uri = served.now().found.uri.clone();
    let options = Options { address: SocketAddr::new(args.host, args.port), limits, hosts: args.allow_host.clone() };
    listen(served, options, stopped, |address| program.terminal.say(&format!("serving {uri} on http://{address}")))?;
    program.terminal.say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Where the model is, each time it is asked.
fn finder(program: &Program, model: &str) -> Result<Box<dyn Fn() -> Result<Found> + Send + Sync>> {
    if model.starts_with("models:/") || model.starts_with("runs:/") {
        let recipe = program.load(&[])?;
        let session = Session::open(&recipe, Access::Read)?;
        let (tracker, root, uri) = (session.around.tracker.clone(), session.around.root.clone(), model.to_owned());
        return Ok(Box::new(move || tracker.resolve(&uri, &root).map(|found| Found { uri: found.uri, path: found.path })));
    }
    let path = program.directory.join(model);
    if !path.is_dir() {
        return Err(no_bundle(model));
    }
    let uri = model.to_owned();
    Ok(Box::new(move || Ok(Found { uri: uri.clone(), path: path.clone() })))
}
