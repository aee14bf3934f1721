//! A build without traces.

use tracing::Subscriber;
use tracing_subscriber::layer::Identity;

use super::{TraceError, TraceSettings};

/// There are none.
#[derive(Debug)]
pub enum Traces {}

impl Traces {
    /// None, as long as none are wanted.
    ///
    /// # Errors
    /// [`TraceError::NotBuilt`] when they are.
    pub fn prepare(settings: &TraceSettings) -> Result<Option<Self>, TraceError> {
        match settings.endpoint {
            None => Ok(None),
            Some(_) => Err(TraceError::NotBuilt),
        }
    }

    /// What takes part in the process's subscriber.
    #[must_use]
    pub fn layer<S: Subscriber>(&self) -> Identity {
        match *self {}
    }

    /// Begins to ship; call it in the runtime.
    pub fn start(&mut self) {
        match *self {}
    }

    /// Ships what is left.
    pub fn shut_down(self) -> std::future::Ready<()> {
        match self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_traces_is_told_that_this_build_has_none() {
        let mut settings = TraceSettings::default();
        assert!(matches!(Traces::prepare(&settings), Ok(None)));
        settings.endpoint = Some("http://127.0.0.1:4318/v1/traces".to_owned());
        let refused = Traces::prepare(&settings);
        assert!(matches!(refused, Err(TraceError::NotBuilt)));
    }
}
