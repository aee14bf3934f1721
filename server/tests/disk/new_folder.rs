//! Power cuts while a data folder is made: it opens whatever is left of it, and what was acknowledged, a
//! tenant or a room, is there.

use std::collections::BTreeMap;

use super::{
    ROUNDS,
    crash_support::{
        audit::{PATIENCE, auditor},
        clients::client,
        host::Home,
        ledger::{Place, TENANTS, places},
    },
    image::Image,
    machine::Machine,
    report::Report,
};
use homeroom_client::RequestError;
use tokio::time::timeout;

/// Folders made in a plain `cargo test`.
const FOLDERS: u64 = 1;
/// Cuts tried in each.
const CUTS: u64 = 8;

/// What was acknowledged, and when, in bytes of the trace.
#[derive(Debug, Default)]
struct Made {
    north: u64,
    rooms: BTreeMap<Place, u64>,
}

#[tokio::test]
async fn a_power_cut_while_a_data_folder_is_made_keeps_what_was_acknowledged() {
    let mut report = Report::begin("power cut while a data folder is made");
    while report.goes_on(ROUNDS, FOLDERS) {
        let Some(mut machine) = Machine::empty(report.seed ^ report.rounds) else {
            return;
        };
        machine.image = Image::default();
        let host = machine.start();
        let traced = || std::fs::metadata(&machine.shim.trace).unwrap().len();
        let mut made = Made::default();
        machine
            .home(&machine.root())
            .run(&["tenant", "create", "north"]);
        made.north = traced();
        for place in places() {
            let (client, _events) = client(host.address, place.tenant, &auditor());
            client
                .create(&place.room.parse().unwrap(), None)
                .await
                .unwrap();
            made.rooms.insert(place, traced());
            client.close().await;
        }
        let past = machine.kill(host);
        let mut medium = past.medium();
        let step = past.records.len() as u64 / CUTS + 1;
        let mut next = machine.dice.below(step);
        for deeds in 0..=past.records.len() {
            if deeds > 0 {
                medium.does(&past.records[deeds - 1].deed);
            }
            // The last moment owes the most.
            if deeds as u64 != next && deeds != past.records.len() {
                continue;
            }
            next = deeds as u64 + step;
            println!("cut after {deeds} of {} deeds", past.records.len());
            let left = medium.after_cut(&mut machine.dice);
            let root = machine.root();
            left.write(&root);
            holds(&machine.home(&root), &made, past.moment(deeds)).await;
            report.cuts += 1;
        }
    }
}

/// What was acknowledged by a moment is there; the rest can be made.
async fn holds(home: &Home, made: &Made, moment: u64) {
    let host = home.start();
    let tenants = home.run(&["tenant", "list"]);
    if made.north <= moment {
        assert!(
            tenants.contains("north"),
            "tenant north is lost: {tenants:?}"
        );
    } else if !tenants.contains("north") {
        home.run(&["tenant", "create", "north"]);
    }
    for tenant in TENANTS {
        let (client, _events) = client(host.address, tenant, &auditor());
        for (place, since) in made
            .rooms
            .iter()
            .filter(|(place, _)| place.tenant == tenant)
        {
            let room = place.room.parse().unwrap();
            let joined = timeout(PATIENCE, client.join(&room, None)).await.unwrap();
            match joined {
                Err(RequestError::Refused { .. }) if *since > moment => {
                    client.create(&room, None).await.unwrap();
                }
                joined => drop(joined.unwrap_or_else(|error| panic!("{place:?}: {error}"))),
            }
        }
        client.close().await;
    }
    host.kill();
    home.check();
}
