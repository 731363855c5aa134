#!/usr/bin/env bash
# Runs one Kafka broker on loopback, in the foreground, with all its data in DIR.
#
#   tests/broker/run.sh [--with-stdin] LIBS DIR PORT [CONTROLLER_PORT [NODE VOTERS]]
#
# LIBS            the jars, as libs.sh prints it
# DIR             data, properties, log and pids (DIR/pid-NODE is the broker's own); made and formatted on first use
# PORT            where clients connect; CONTROLLER_PORT (default PORT + 1) is the quorum's
# NODE VOTERS     of a cluster of several: this node's number, and `1@127.0.0.1:PORT,2@…` of all of them
# --with-stdin    ends the broker (kill -9) when standard input ends: so a test that dies takes its broker along
#
# TIDELINE_BROKER_PROXIED=PORT:ADVERTISED: one listener more, at PORT, which tells clients to connect to ADVERTISED: so a
# proxy can stand between.
# TIDELINE_BROKER_PROPERTIES: more properties, one a line, which win over those below.
set -euo pipefail

with_stdin=
if [ "${1:-}" = --with-stdin ]; then with_stdin=1; shift; fi
libs=$1 dir=$2 port=$3
controller_port=${4:-$((port + 1))}
node=${5:-1}
voters=${6:-1@127.0.0.1:$controller_port}
copies=$(tr , '\n' <<<"$voters" | wc -l)

proxied=${TIDELINE_BROKER_PROXIED:-}
listener=${proxied:+,PROXIED://127.0.0.1:${proxied%:*}}
advertised=${proxied:+,PROXIED://127.0.0.1:${proxied#*:}}

mkdir -p "$dir"
properties=$dir/broker-$node.properties
cat >"$properties" <<PROPERTIES
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port$listener
advertised.listeners=PLAINTEXT://127.0.0.1:$port$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$dir/data-$node
auto.create.topics.enable=false
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$(((copies + 1) / 2))
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$(((copies + 1) / 2))
default.replication.factor=$copies
min.insync.replicas=$(((copies + 1) / 2))
group.initial.rebalance.delay.ms=0
# Quick failover, so that tests of it are quick.
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=4000
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=500
group.consumer.assignment.interval.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# Compaction within seconds, where a topic asks for it.
log.cleaner.backoff.ms=1000
${TIDELINE_BROKER_PROPERTIES:-}
PROPERTIES

if [ ! -e "$dir/data-$node/meta.properties" ]; then
    # One id for the whole cluster: the nodes derive it from the voters.
    cluster=$(md5sum <<<"$voters" | cut -c1-32 | sed 's/../\\x&/g' | xargs -0 printf '%b' | base64 | tr '+/' '-_' | cut -c1-22)
    java -XX:TieredStopAtLevel=1 -cp "$libs/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        kafka.tools.StorageTool format --cluster-id="$cluster" -c "$properties" >"$dir/format-$node.log" 2>&1 ||
        { cat "$dir/format-$node.log" >&2; exit 1; }
fi

exec 3<&0
java -Xmx512m -XX:+UseSerialGC -cp "$libs/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    kafka.Kafka "$properties" >>"$dir/broker-$node.log" 2>&1 </dev/null 3<&- &
broker=$!
echo "$broker" >"$dir/pid-$node"
trap 'kill "$broker" 2>/dev/null' TERM INT
if [ -n "$with_stdin" ]; then
    { cat <&3 >/dev/null; kill -9 "$broker" 2>/dev/null; } &
fi
# A trapped signal ends the first wait early.
wait "$broker" || wait "$broker" || exit $?
