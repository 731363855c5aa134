#!/usr/bin/env bash
# librdkafka's bound on what a consumer reads ahead, queued.max.messages.kbytes, counts values only: keys and headers are held in
# memory beside it, uncounted. 40 records with headers of 100 KB each are all read ahead under a bound of 64 KB.
#
# Expected before it was run: fetching pauses once keys, headers and values together pass the bound.
# Seen: confluent-kafka 2.16.1 (librdkafka 2.16.0), its own mock cluster: "39 bytes counted under a bound of 64 KB, while 3900 KB of
# headers wait": one record was taken, all others wait. The same in librdkafka 2.12.1.
# What it means: who takes records with large headers must bound what is read ahead by another way than this setting.
#
# Needs python3 with pip. Exits 0 while it is so, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q confluent-kafka==2.16.1
cat >"$work/run.py" <<'PY'
import json, sys, time
from confluent_kafka import Consumer, Producer, TopicPartition, libversion

RECORDS, HEADER, BOUND_KB = 40, 100_000, 64  # The mock keeps 5 MB of a partition.
producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "replaced", "message.max.bytes": 50_000_000})
# The mock cluster's address stands in the metadata.
broker = next(iter(producer.list_topics("t", timeout=10).brokers.values()))
for number in range(RECORDS):
    producer.produce("t", partition=0, value=b"v", headers=[("h", b"x" * HEADER)])
    producer.flush(10)

seen = {}
def stats(text):
    topic = json.loads(text)["topics"].get("t")
    if topic and "0" in topic["partitions"]:
        part = topic["partitions"]["0"]
        seen["bytes"] = part["fetchq_size"]

consumer = Consumer({
    "bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "g", "enable.auto.commit": False,
    "queued.max.messages.kbytes": BOUND_KB, "queued.min.messages": 100_000, "statistics.interval.ms": 200,
    "stats_cb": stats,
})
consumer.assign([TopicPartition("t", 0, 0)])
assert consumer.poll(10).error() is None
# Nobody reads meanwhile. Then a few polls hand over statistics, which say what waits.
time.sleep(3)
counted = 0
for _ in range(10):
    consumer.poll(0.3)
    counted = max(counted, seen.get("bytes", 0))
# A value is one byte, so what is counted is the number of records that wait.
print(f"librdkafka {libversion()[0]}: {counted} bytes counted under a bound of {BOUND_KB} KB, while {counted * HEADER // 1000} KB of headers wait")
sys.exit(0 if counted * HEADER > 10 * BOUND_KB * 1024 else 1)
PY
"$work/venv/bin/python" "$work/run.py"
