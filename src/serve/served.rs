//! The model that is served, and whether its alias has moved.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::Result;
use crate::ml::model::Model;
use crate::tracking::bundle;

/// How often the alias is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the model is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `models:/taxi_fare/3`, or the path of a bundle.
    pub uri: String,
    pub path: PathBuf,
}

/// A model that is ready.
pub struct Loaded {
    pub found: Found,
    /// Of the model's file.
    pub digest: String,
    pub model: Model,
}

/// The model behind a URI; where an alias moves, the new version takes over between two requests.
pub struct Served {
    find: Box<dyn Fn() -> Result<Found> + Send + Sync>,
    /// What it is told when another version was loaded, or could not be.
    tell: Box<dyn Fn(&str) + Send + Sync>,
    now: RwLock<Arc<Loaded>>,
}

impl Served {
    /// Loads what `find` finds.
    ///
    /// # Errors
    /// Exit code 7 where there is no model, or a damaged one.
    pub fn new(find: impl Fn() -> Result<Found> + Send + Sync + 'static, tell: impl Fn(&str) + Send + Sync + 'static) -> Result<Self> {
        let loaded = load(find()?)?;
        Ok(Self { find: Box::new(find), tell: Box::new(tell), now: RwLock::new(Arc::new(loaded)) })
    }

    #[must_use]
    pub fn now(&self) -> Arc<Loaded> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for another version once a second, until what it gives is dropped.
    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        let (end, ended) = channel::<()>();
        let served = Arc::clone(self);
        let thread = std::thread::spawn(move || {
            let mut refused = None;
            while ended.recv_timeout(LOOK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                served.look(&mut refused);
            }
        });
        Watch { end: Some(end), thread: Some(thread) }
    }

    /// `refused`: what could not be loaded the last time, so that it is told once.
    fn look(&self, refused: &mut Option<Found>) {
        // A registry that is busy is looked at again.
        let Ok(found) = (self.find)() else { return };
        if found == self.now().found || refused.as_ref() == Some(&found) {
            return;
        }
        match load(found.clone()) {
            Ok(loaded) => {
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
                (self.tell)(&format!("now serving {}", found.uri));
            }
            Err(error) => {
                (self.tell)(&format!("{} cannot be loaded, so {} goes on: {error}", found.uri, self.now().found.uri));
                *refused = Some(found);
            }
        }
    }
}

fn load(found: Found) -> Result<Loaded> {
    let bundle = bundle::load(&found.path)?;
    Ok(Loaded { found, digest: bundle.digest, model: bundle.model })
}

/// Ends the looking when it is dropped.
pub(super) struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
