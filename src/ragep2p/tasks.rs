//! The tasks of a host.

use std::{future::Future, sync::Mutex};

use tokio::task::{JoinError, JoinSet};

use crate::lock::lock;

/// The tasks of a host, which end with it.
pub(super) struct Tasks(Mutex<Option<JoinSet<()>>>);

impl Tasks {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(JoinSet::new())))
    }

    /// Runs a task, unless the host has ended.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *lock(&self.0) {
            while let Some(ended) = tasks.try_join_next() {
                told(ended);
            }
            tasks.spawn(task);
        }
    }

    pub(super) fn take(&self) -> Option<JoinSet<()>> {
        lock(&self.0).take()
    }

    /// Waits for those that end by themselves, and ends those that do not.
    pub(super) async fn finish(&self) {
        let Some(mut tasks) = self.take() else {
            return;
        };
        while let Some(ended) = tasks.join_next().await {
            told(ended);
        }
    }
}

fn told(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a task of the host panicked"
        );
    }
}
