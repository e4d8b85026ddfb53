//! A client that takes all it can get, in bursts, and does not come later when it is told to.

use std::{net::SocketAddr, time::Duration};

use portcullis::rejection::BoxError;
use tokio::{sync::mpsc, time::sleep_until};

use super::{
    Ask, Plan,
    call::{call, client},
};
use crate::{phase::Phase, tally::Ended};

/// Twice as many calls as the gateway lets a client have under way.
const BURST: u64 = 20;
const BURSTS_A_SECOND: u64 = 10;

/// Calls while nobody listens at the inventory: then the gateway has little else to do.
pub(crate) async fn run(
    gateway: SocketAddr,
    plan: Plan,
    ended: mpsc::UnboundedSender<Ended>,
) -> Result<(), BoxError> {
    let client = client()?;
    for burst in 0..plan.schedule.seconds() * BURSTS_A_SECOND {
        if plan.schedule.phase_at(burst / BURSTS_A_SECOND) != Phase::Refused {
            continue;
        }
        let due = plan.start + Duration::from_secs(burst) / BURSTS_A_SECOND as u32;
        sleep_until(due).await;
        for id in 0..BURST {
            let request = Ask::Greedy.request(&client, gateway, id, "greedy");
            let call = call(request, Ask::Greedy, plan, due);
            let ended = ended.clone();
            tokio::spawn(async move {
                let _ = ended.send(call.await);
            });
        }
    }
    Ok(())
}
