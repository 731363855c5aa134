//! Cases in which tideline was seen wrong (`tests/cases`): their events, and what any way of running them must give.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::journey::{as_expected, by_user};
use crate::places::root;

/// A case of events of the app alone, on one partition.
pub struct Case {
    folder: &'static str,
    /// More of the input's keys (TOML).
    pub of_input: &'static str,
    /// More of the configuration (TOML).
    pub more: &'static str,
    /// Where the watermark moves at the end.
    pub until: &'static str,
    check: fn(&[Value]),
}

pub const RETURNED_AFTER_ERASURE: Case = Case {
    folder: "04a-returned-after-erasure",
    // Erasures are remembered for longer now than when it was seen: so that this one is forgotten, a day each.
    of_input: "retention = \"1d\"\n",
    more: "topics = { partitions = 1, dead_letter_retention = \"1d\" }\n",
    until: "2026-01-22T00:00:00Z",
    check: |outputs| {
        let ids: BTreeSet<_> = outputs.iter().map(|output| output["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), outputs.len(), "an id is there twice");
        let lives = outputs.iter().filter(|output| output["user_id"] == "u1" && output["current"] == "low");
        let sequences: Vec<_> = lives.map(|output| output["sequence"].as_u64()).collect();
        assert_eq!(sequences, [Some(1), Some(1)], "u1 came twice");
    },
};

pub const TWO_CLOUDEVENTS: Case = Case {
    folder: "04b-two-cloudevents-one-id",
    of_input: "",
    more: "topics = { partitions = 1 }\n",
    until: "2026-05-01T00:00:00Z",
    check: |outputs| {
        let left = outputs.iter().find(|output| output["current"] == "inactive").unwrap();
        assert_eq!(left["evidence"]["transactions_90"], 2, "both payments count");
    },
};

pub const SET_BACK_OVER_MIDNIGHT: Case = Case {
    folder: "05a-clock-set-back-over-midnight",
    of_input: "",
    more: "topics = { partitions = 1 }\nrules = { zone = \"America/St_Johns\" }\n",
    until: "2010-11-07T04:00:00Z",
    check: |outputs| {
        let text = fs::read_to_string(file("05a-clock-set-back-over-midnight", "expected.jsonl")).unwrap();
        let expected: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let outputs = &by_user(outputs.iter().cloned())["u1"];
        let compared: Vec<_> = outputs.iter().zip(&expected).map(|(got, wanted)| as_expected(got, wanted)).collect();
        assert_eq!((&compared, outputs.len()), (&expected, expected.len()));
    },
};

pub const ALL: [&Case; 3] = [&RETURNED_AFTER_ERASURE, &TWO_CLOUDEVENTS, &SET_BACK_OVER_MIDNIGHT];

/// A file of a case.
pub fn file(case: &str, name: &str) -> PathBuf {
    root().join("tests/cases").join(case).join(name)
}

impl Case {
    /// Key and value of each record.
    pub fn records(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(file(self.folder, "app.jsonl")).unwrap();
        let record = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            let user = event["user_id"].as_str().or(event["subject"].as_str()).unwrap();
            (user.to_owned(), line.to_owned())
        };
        text.lines().map(record).collect()
    }

    /// Panics unless these are the outputs that it must give, in any order.
    pub fn check(&self, outputs: &[Value]) {
        println!("{}: {} outputs", self.folder, outputs.len());
        (self.check)(outputs);
    }
}
