//! Says that something long still goes on.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Who is told.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(&str) + Send + Sync>);

impl Listener {
    pub(crate) fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// Tells a listener now and then what is waited for and how long, until it is dropped.
pub(crate) struct Waiting {
    /// Hung up when the waiting is over.
    over: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

/// The time from one word to the next.
pub(crate) const NOW_AND_THEN: Duration = Duration::from_secs(10);

impl Waiting {
    pub(crate) fn start(listener: Option<Listener>, what: String, every: Duration) -> Self {
        let (over, hung_up) = channel();
        let start = Instant::now();
        let tell = move |listener: &Listener| {
            while hung_up.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                (listener.0)(&format!("{what} ({} s so far)", start.elapsed().as_secs()));
            }
        };
        let teller = listener.map(|listener| std::thread::spawn(move || tell(&listener)));
        Self { over: Some(over), teller }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(teller) = self.teller.take() {
            // A listener that panicked has said so itself.
            let _ = teller.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_long_wait_is_told_and_ends_with_it() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&said);
        let (heard, wait) = channel();
        let listener = Listener::new(move |text| {
            told.lock().unwrap().push(text.to_owned());
            // Nobody listens any more once the test has heard enough.
            let _ = heard.send(());
        });
        let waiting = Waiting::start(Some(listener), "loading unet".into(), Duration::from_millis(1));
        wait.recv().unwrap();
        wait.recv().unwrap();
        drop(waiting);
        let count = said.lock().unwrap().len();
        std::thread::sleep(Duration::from_millis(20));
        let said = said.lock().unwrap();
        assert_eq!(said.len(), count, "nothing is said after the end");
        assert_eq!(said[0], "loading unet (0 s so far)");
    }

    #[test]
    fn a_short_wait_is_not_told() {
        let listener = Listener::new(|text| panic!("{text}"));
        drop(Waiting::start(Some(listener), "loading unet".into(), Duration::from_secs(3600)));
    }
}
