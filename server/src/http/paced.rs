//! A stream whose reader may not take for ever, and of which something may have been read before.
//!
//! hyper limits how long a request may take to come, not how long its answer may take to go. Here the
//! time runs from the first write that found no room until everything is written, which hyper shows by
//! a flush. Progress by drops does not stretch it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Fails with [`io::ErrorKind::TimedOut`] when a reader is too slow.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    /// What was read from it before, and comes first.
    early: Bytes,
    time_max: Duration,
    /// `None` while the kernel has room.
    due: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) const fn new(stream: S, early: Bytes, time_max: Duration) -> Self {
        Self {
            stream,
            early,
            time_max,
            due: None,
        }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// What a write that gave `written` means by now.
    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() {
            let time_max = self.time_max;
            let due = self.due.get_or_insert_with(|| Box::pin(sleep(time_max)));
            if due.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let count = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(count));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.due = None;
        }
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const MAX: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn drops_do_not_stretch_the_time_of_an_answer() {
        let (near, mut far) = duplex(1_000);
        let mut near = Paced::new(near, Bytes::new(), MAX);
        let reading = tokio::spawn(async move {
            loop {
                sleep(MAX / 4).await;
                if far.read_exact(&mut [0]).await.is_err() {
                    return;
                }
            }
        });
        let slow = near.write_all(&[0; 2_000]).await.unwrap_err();
        assert_eq!(slow.kind(), io::ErrorKind::TimedOut);
        drop(near);
        reading.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_has_its_own_time() {
        let (near, mut far) = duplex(1_000);
        let mut near = Paced::new(near, Bytes::new(), MAX);
        let reading = tokio::spawn(async move {
            let mut read = 0;
            while read < 10 * 1_500 {
                sleep(MAX / 4).await;
                read += far.read(&mut [0; 1_000]).await.unwrap();
            }
        });
        for _ in 0..10 {
            near.write_all(&[0; 1_500]).await.unwrap();
            near.flush().await.unwrap();
        }
        reading.await.unwrap();
    }
}
