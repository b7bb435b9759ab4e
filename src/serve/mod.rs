//! A model behind HTTP, in `MLflow`'s scoring protocol. The pages of `ui/` stand on the same server, and on [`row`], which scores one row that a person typed.
//!
//! [`http`] takes connections within limits and knows no model; [`endpoints`] says what each path answers; [`body`] reads rows out of requests;
//! [`scorer`] scores the rows of all requests that wait, together; [`served`] holds the model and looks whether its alias has moved.
//! A request goes this way: bytes → rows with training's types → a queue → one query over the rows of several requests → JSON.

mod body;
mod endpoints;
pub mod http;
mod measured;
pub mod row;
mod scorer;
mod served;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::error::Result;
use endpoints::Endpoints;
pub use http::{Guard, Limits};
pub use served::{Found, Served};

/// How a model is served.
pub struct Options {
    pub address: SocketAddr,
    pub limits: Limits,
    /// Names by which clients may call a server that listens beyond loopback; any where there are none.
    pub hosts: Vec<String>,
}

/// Serves a model until `stop` says so; `ready` is told the address.
///
/// # Errors
/// An address that cannot be listened on.
pub fn serve(served: Served, options: Options, stop: std::sync::mpsc::Receiver<()>, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let served = Arc::new(served);
    let (watching, endpoints) = (served.watch(), Endpoints::new(Arc::clone(&served)));
    let guard = Guard { is_loopback: options.address.ip().is_loopback(), hosts: options.hosts };
    let ended = http::listen(options.address, &options.limits, guard, &Arc::new(endpoints), stop, ready);
    drop(watching);
    ended
}
