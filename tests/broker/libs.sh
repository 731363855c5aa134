#!/usr/bin/env bash
# Prints the folder that holds the jars of a Kafka broker; fetches them first if it isn't there yet.
# TIDELINE_KAFKA_LIBS names another folder, which is then only looked at.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

missing() {
    echo "the tests of the real broker need $1; on Debian: apt-get install openjdk-17-jdk-headless maven" >&2
    exit 3
}

command -v java >/dev/null || missing "java (JDK 17 or later)"
if [ -n "${TIDELINE_KAFKA_LIBS:-}" ]; then
    compgen -G "$TIDELINE_KAFKA_LIBS/kafka_*.jar" >/dev/null ||
        { echo "TIDELINE_KAFKA_LIBS=$TIDELINE_KAFKA_LIBS holds no kafka_*.jar" >&2; exit 3; }
    echo "$TIDELINE_KAFKA_LIBS"
    exit
fi

libs=${CARGO_TARGET_DIR:-$here/../../target}/kafka-libs
if ! compgen -G "$libs/kafka_*.jar" >/dev/null; then
    command -v mvn >/dev/null || missing "mvn (Maven), to fetch the broker's jars"
    mkdir -p "$(dirname "$libs")"
    # Aside first, so that a fetch that was cut short never looks like a whole one.
    fresh=$(mktemp -d "$libs.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$fresh" >&2
    rm -rf "$libs"
    mv -T "$fresh" "$libs" 2>/dev/null || compgen -G "$libs/kafka_*.jar" >/dev/null
fi
cd "$libs" && pwd
