//! Repairs of what is damaged, and exports of what is there.

use std::{fs, path::Path};

use bytes::Bytes;
use homeroom_engine::{
    Engine, UpkeepError,
    log::LogPosition,
    upkeep::{Exported, unwatched},
};
use homeroom_protocol::CloseCode;
use tokio::sync::mpsc;

use crate::{
    MADE,
    backups::entries,
    ended,
    engine_support::{Scene, name},
    enter, is_another_life, school, texts,
};

#[tokio::test]
async fn a_damaged_tenant_goes_on_with_what_was_kept_and_is_told_what_is_lost() {
    let (mut scene, sent) = school(|config| config.segment_bytes = 1500).await;
    let (ben, _events) = scene.connect("ben").await;
    let class = ben.enter("class").await.unwrap();
    ben.send(&class, "lost").await.unwrap();
    scene.stop().await;
    // In the second segment.
    let log = scene.folder().join("tenants/school/log");
    let segment = log.join(&entries(&log)[1]);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[64 + 100] ^= 0xff;
    fs::write(&segment, bytes).unwrap();
    scene.start().await;
    let engine = &scene.engine;
    let school = name("school");
    // Sealed and not the last: it wakes from its snapshot, and only a check sees the damage.
    assert!(engine.check_tenant(&school).await.is_err());
    let unsaid = engine.repair_tenant(&school, None, unwatched()).await;
    let Err(UpkeepError::DropAfter {
        last_good, lost, ..
    }) = unsaid
    else {
        panic!("{unsaid:?}");
    };
    assert!(last_good.0 > MADE as u64 && last_good.0 < 40, "{last_good}");
    let too_far = Some(last_good.next());
    let too_far = engine.repair_tenant(&school, too_far, unwatched()).await;
    let Err(UpkeepError::DropAfter {
        last_good: again, ..
    }) = &too_far
    else {
        panic!("{too_far:?}");
    };
    assert_eq!(*again, last_good);
    assert!(
        too_far
            .unwrap_err()
            .to_string()
            .contains(&format!("--drop-after {last_good}"))
    );
    let (_ana, events, _) = enter(engine, "school", "ana").await;
    let repaired = engine
        .repair_tenant(&school, Some(last_good), unwatched())
        .await;
    let repaired = repaired.unwrap();
    assert_eq!(
        ended(events).await,
        (CloseCode::TenantUnavailable, Some(30_000))
    );
    assert_eq!(
        (repaired.kept, &repaired.lost.rooms),
        (last_good, &lost.rooms)
    );
    let of = |id: &str| {
        repaired
            .lost
            .rooms
            .iter()
            .find(|it| it.id.as_ref().unwrap().as_str() == id)
    };
    let class = of("class").unwrap();
    assert_eq!(class.events, 2, "made, said");
    assert!(class.first <= class.last);
    assert_eq!(repaired.lost.unreadable.len(), 1);
    let kept = usize::try_from(last_good.0).unwrap() - MADE;
    let total = of("lobby").unwrap().events + 1 + kept as u64;
    assert!(
        (39..=40).contains(&total),
        "all but the damaged commit: {total}"
    );
    is_another_life(engine, "school", &sent, kept).await;
    engine.check_tenant(&school).await.unwrap();
    let aside = repaired.aside.unwrap();
    assert_eq!(aside, scene.folder().join("tenants/school.BROKEN-1"));
    assert!(aside.join("log").exists() && scene.folder().join("marks/school.BROKEN-1").exists());
    assert_eq!(engine.tenants().await.unwrap().len(), 1, "it is no tenant");
    // A second repair keeps the first one's evidence.
    let repaired = engine
        .repair_tenant(&school, Some(LogPosition(7)), unwatched())
        .await;
    assert!(
        repaired
            .unwrap()
            .aside
            .unwrap()
            .ends_with("school.BROKEN-2")
    );
    scene.restart().await;
    is_another_life(&scene.engine, "school", &sent, 4).await;
}

#[tokio::test]
async fn a_repair_that_cannot_be_done_disturbs_nobody() {
    let (scene, sent) = school(|_| ()).await;
    let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
    let tenant = name("school");
    for drop_after in [None, Some(LogPosition(44)), Some(LogPosition(u64::MAX))] {
        let asked = scene.engine.repair_tenant(&tenant, drop_after, unwatched());
        let refused = asked.await.unwrap_err();
        let reachable = LogPosition(43);
        assert!(
            matches!(&refused, UpkeepError::DropAfter { last_good, .. } if *last_good == reachable),
            "{refused}"
        );
        let joined = ana.join(&room.id, Some(sent[3].position)).await.unwrap();
        assert_eq!(joined.reset, None);
    }
}

#[tokio::test]
async fn a_tenant_whose_mark_or_files_are_gone_is_repaired_by_naming_what_is_there() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm, u64); 4] = [
        (
            "no mark",
            |data| fs::remove_file(data.join("marks/school")).unwrap(),
            43,
        ),
        (
            "damaged mark",
            |data| fs::write(data.join("marks/school"), b"?").unwrap(),
            43,
        ),
        (
            "an older log",
            |data| {
                let log = data.join("tenants/school/log");
                let last = log.join(entries(&log).last().unwrap());
                fs::remove_file(last).unwrap();
            },
            0,
        ),
        (
            "emptied",
            |data| {
                let log = data.join("tenants/school/log");
                entries(&log)
                    .iter()
                    .for_each(|it| fs::remove_file(log.join(it)).unwrap());
            },
            0,
        ),
    ];
    for (what, harm, good) in harms {
        let (mut scene, sent) = school(|config| config.segment_bytes = 1500).await;
        scene.stop().await;
        harm(scene.folder());
        scene.start().await;
        let school = name("school");
        assert!(scene.engine.check_tenant(&school).await.is_err(), "{what}");
        let (last_good, _) = scene
            .engine
            .examine_tenant(&school, unwatched())
            .await
            .unwrap();
        assert!(good == 0 || last_good.0 == good, "{what}: {last_good}");
        let repaired = scene
            .engine
            .repair_tenant(&school, Some(last_good), unwatched())
            .await;
        assert_eq!(repaired.unwrap().kept, last_good, "{what}");
        if last_good.0 > MADE as u64 {
            let kept = usize::try_from(last_good.0).unwrap() - MADE;
            is_another_life(&scene.engine, "school", &sent, kept).await;
        } else {
            let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
            assert!(texts(&ana, &room).await.is_empty(), "{what}");
        }
    }
}

pub(crate) async fn export(
    engine: &Engine,
    tenant: &str,
) -> (Result<Exported, UpkeepError>, String) {
    let (lines, mut taken) = mpsc::channel::<Bytes>(1);
    let tenant = name(tenant);
    let collect = async {
        let mut all = Vec::new();
        while let Some(piece) = taken.recv().await {
            assert!(piece.ends_with(b"\n") && piece.len() < 4 * 1024 * 1024);
            all.extend(piece);
        }
        String::from_utf8(all).unwrap()
    };
    tokio::join!(engine.export_tenant(&tenant, lines, unwatched()), collect)
}

#[tokio::test]
async fn an_export_is_a_header_every_event_and_a_footer() {
    let (scene, _) = school(|_| ()).await;
    let (ana, _events, room) = enter(&scene.engine, "school", "ana").await;
    let awkward = "line\nbreak \"quoted\" \u{7} \u{2028} 日本 \\";
    ana.send(&room, awkward).await.unwrap();
    ana.leave(&room).await.unwrap();
    let (exported, awake) = export(&scene.engine, "school").await;
    let exported = exported.unwrap();
    assert_eq!((exported.position, exported.events), (LogPosition(46), 46));
    let lines: Vec<serde_json::Value> = awake
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 48);
    assert_eq!(
        (&lines[0]["homeroom_export"], &lines[0]["tenant"]),
        (&1.into(), &"school".into())
    );
    assert_eq!(lines[0]["position"], 46);
    assert_eq!(
        (&lines[1]["kind"], &lines[1]["room"]),
        (&"room_created".into(), &"lobby".into())
    );
    // What concerns ana alone stands beside the room: her stream begins when she makes it.
    let kinds = [2, 3, 46].map(|n: usize| lines[n]["kind"].as_str().unwrap());
    assert_eq!(kinds, ["stream_opened", "place_changed", "place_changed"]);
    for (n, line) in lines[1..47].iter().enumerate() {
        assert_eq!(line["position"], n + 1);
        if line["room"] == "lobby" && n > 0 {
            assert_eq!(line["seq"], n - 1);
        }
        assert_eq!(line["author"], "ana");
        let epoch = line["epoch"].as_str().unwrap();
        assert!(epoch.len() == 14 && u64::from_str_radix(epoch, 16).is_ok());
    }
    assert_eq!(
        (&lines[44]["text"], &lines[44]["kind"]),
        (&awkward.into(), &"message_sent".into())
    );
    assert_eq!(lines[45]["kind"], "member_left");
    assert_eq!(
        (&lines[47]["end"], &lines[47]["events"]),
        (&true.into(), &46.into())
    );
    // Asleep it is the same, and so it is in memory.
    scene.stop().await;
    let engine = Engine::open(scene.config.clone()).await.unwrap();
    assert_eq!(export(&engine, "school").await.1, awake);
    let missing = export(&engine, "north").await.0.unwrap_err();
    assert!(
        missing.to_string().contains("there is no tenant"),
        "{missing}"
    );
    let memory = Scene::in_memory().await;
    enter(&memory.engine, "school", "ana").await;
    assert_eq!(export(&memory.engine, "school").await.0.unwrap().events, 3);
}
