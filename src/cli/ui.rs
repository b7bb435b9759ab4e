//! `recipe ui`: the project as pages in the browser.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc::channel;

use clap::Args;

use super::{Program, inspect, out};
use crate::error::Result;
use crate::serve::Limits;
use crate::ui::{Options, serve};

#[derive(Debug, Args)]
pub struct UiArgs {
    /// The address to listen on: beyond loopback, whoever reaches it may read everything that the project shows.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// 0: any that is free.
    #[arg(long, default_value_t = 8765)]
    port: u16,
    /// A name by which browsers may call the server; on loopback, beside this machine's own.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Open the page in the browser.
    #[arg(long)]
    open: bool,
}

pub fn ui(program: &Program, args: &UiArgs) -> Result<ExitCode> {
    let (stop, stopped) = channel();
    ctrlc::set_handler(move || {
        // A second signal changes nothing.
        let _ = stop.send(());
    })
    .ok();
    let limits = Limits { body: 1 << 20, connections: 64, ..Limits::default() };
    let options = Options { address: SocketAddr::new(args.host, args.port), limits, hosts: args.allow_host.clone() };
    serve(program.selection(&[]), options, stopped, |address| {
        let url = format!("http://{address}/");
        // A reader that went away is no reason to stop.
        let _ = out(&format!("{url}\n"));
        if args.open
            && let Err(error) = inspect::open(&url)
        {
            program.terminal.warn(&error.to_string());
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
