//! Plays a fault's phases while the load runs.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::try_join_all;
use parlor_testbed::tiers::Tiers;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    deed::Hands,
    figures::Figures,
    moments::Moments,
    row::{Script, Times},
};
use crate::timeline::{Faults, TimeLine};

/// A fault that is played.
#[derive(Debug)]
pub(super) struct Playing<'a> {
    tiers: &'a Tiers,
    script: &'static Script,
    times: Times,
    /// How long the load runs before anything is broken.
    before: Duration,
    hands: Hands<'a>,
    moments: Mutex<Moments>,
    /// What those who acted saw.
    acted: Mutex<Figures>,
}

// === impl Playing ===

impl<'a> Playing<'a> {
    pub(super) fn new(
        tiers: &'a Tiers,
        script: &'static Script,
        times: Times,
        before: Duration,
    ) -> Self {
        let (moments, acted) = (Mutex::default(), Mutex::default());
        Self { tiers, script, times, before, hands: Hands::new(tiers), moments, acted }
    }

    /// Does what comes before the load.
    ///
    /// # Errors
    /// It cannot be done here.
    pub(super) async fn prepare(&self) -> anyhow::Result<()> {
        for deed in self.script.prepare {
            self.hands.perform(*deed).await?;
        }
        Ok(())
    }

    pub(super) fn moments(&self) -> Moments {
        *self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acted(&self) -> Figures {
        self.acted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those who act beside the load do so until it is over.
    async fn act(&self, over: watch::Receiver<bool>) -> anyhow::Result<()> {
        let acting = self.script.actors.iter().map(|actor| actor.act(self.tiers, over.clone()));
        for figures in try_join_all(acting).await? {
            self.acted.lock().unwrap_or_else(PoisonError::into_inner).extend(figures);
        }
        Ok(())
    }

    async fn break_and_mend(&self, line: &TimeLine) -> anyhow::Result<()> {
        let pause = Duration::from_secs(self.times.takes) / 2;
        for _ in 0..self.times.rounds {
            for phase in self.script.phases {
                let open = line.begin(phase.what);
                self.note(|moments| {
                    moments.broken.get_or_insert_with(Instant::now);
                });
                for deed in phase.breaks {
                    self.hands.perform(*deed).await?;
                }
                sleep(Duration::from_secs(self.times.lasts)).await;
                self.note(|moments| moments.mending = Some(Instant::now()));
                for deed in phase.mends {
                    self.hands.perform(*deed).await?;
                }
                line.end(open);
                self.note(|moments| moments.mended = Some(Instant::now()));
                sleep(pause).await;
            }
        }
        Ok(())
    }

    fn note(&self, change: impl FnOnce(&mut Moments)) {
        change(&mut self.moments.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Faults for Playing<'_> {
    async fn play(&self, line: &TimeLine, begin: Instant, _: Instant) -> anyhow::Result<()> {
        self.note(|moments| moments.begun = Some(begin));
        sleep_until(begin + self.before).await;
        let (over, is_over) = watch::channel(false);
        let phases = async {
            let done = self.break_and_mend(line).await;
            over.send_replace(true);
            done
        };
        tokio::try_join!(phases, self.act(is_over))?;
        Ok(())
    }
}
