mod index_support;
use homeroom_engine::index::*;
use index_support::*;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

struct Rng(u64);
impl Rng {
    fn next(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut v = vec![];
    for e in fs::read_dir(folder).unwrap() {
        let p = e.unwrap().path();
        if p.is_dir() {
            v.extend(files(&p))
        } else {
            v.push(p)
        }
    }
    v.sort();
    v
}
#[test]
fn fuzz() {
    let secs: u64 = std::env::var("SECS").map_or(5, |s| s.parse().unwrap());
    let mut rng = Rng(std::env::var("SEED").map_or(0x1234567, |s| s.parse().unwrap()));
    let start = Instant::now();
    let mut rebuilt = 0;
    let mut n = 0;
    let mut slow = 0u128;
    while start.elapsed().as_secs() < secs {
        n += 1;
        let dir = tempfile::tempdir().unwrap();
        let log = FakeLog::default();
        let disk = Indexer::<Pad>::new((), Box::new(SledPlace::new(dir.path(), IDENTITY)), None);
        let total = 1 + rng.next(std::env::var("TOTAL").map_or(3000, |s| s.parse().unwrap()));
        for r in 0..(1 + rng.next(3)) {
            for i in 0..total {
                log.push(&Note {
                    topic: rng.next(4) as u8,
                    time: i / 8 + r * 10,
                    text: vec![i as u8; rng.next(60) as usize],
                });
            }
            disk.catch_up(&log, log.end()).unwrap();
            if rng.next(2) == 0 {
                disk.close();
            }
        }
        disk.close();
        let fl = files(&dir.path().join("index"));
        let mut what = vec![];
        for _ in 0..(1 + rng.next(3)) {
            let f = &fl[rng.next(fl.len() as u64) as usize];
            let Ok(mut b) = fs::read(f) else { continue };
            let len = b.len() as u64;
            match rng.next(5) {
                0 => {
                    b.truncate(rng.next(len) as usize);
                }
                1 => {
                    if len > 0 {
                        // flip within nonzero extent
                        let end = b.iter().rposition(|x| *x != 0).unwrap_or(0) as u64 + 1;
                        for _ in 0..(1 + rng.next(8)) {
                            let i = rng.next(end) as usize;
                            b[i] ^= 1 << rng.next(8);
                        }
                    }
                }
                2 => {
                    let at = rng.next(len) as usize;
                    let end = (at + rng.next(5000) as usize).min(b.len());
                    b[at..end].fill(0);
                }
                3 => b.clear(),
                _ => {
                    let _ = fs::remove_file(f);
                    what.push(format!("rm {f:?}"));
                    continue;
                }
            }
            what.push(format!("{f:?} len {len} -> {}", b.len()));
            fs::write(f, b).unwrap();
        }
        let model = Indexer::<Pad>::new((), Box::new(MemoryPlace), None);
        let t = Instant::now();
        for round in 0..2 {
            for topic in 0..4 {
                for ask in [Ask::Topic(topic), Ask::Latest(topic)] {
                    let a = disk.answer(&log, log.end(), &ask).unwrap();
                    let b = model.answer(&log, log.end(), &ask).unwrap();
                    assert_eq!(
                        a.len(),
                        b.len(),
                        "WRONG {what:?} {ask:?} seed-iter {n} round {round}"
                    );
                    assert!(a == b, "WRONG {what:?} {ask:?} seed-iter {n} round {round}");
                }
            }
            for i in 0..50 {
                log.push(&Note {
                    topic: rng.next(4) as u8,
                    time: total / 8 + 40 + i,
                    text: vec![],
                });
            }
        }
        disk.close();
        slow = slow.max(t.elapsed().as_millis());
        if dir.path().join("index.damaged-1").exists() {
            rebuilt += 1;
        }
    }
    eprintln!("{n} runs, {rebuilt} rebuilt, slowest {slow} ms");
}
