# What the project's commands need on a fresh Debian machine. Sourced, not run.
# Each need_* leaves things as they are when all is there; else installs by apt-get where that is permitted, or says what to install.

need_rust() {
    command -v cargo >/dev/null && return
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env" && command -v cargo >/dev/null && return
    printf 'tideline needs Rust: install it from https://rustup.rs (the version is pinned in rust-toolchain.toml)\n' >&2
    return 1
}

need_cc() {
    command -v cc >/dev/null || install_packages 'a C compiler' gcc libc6-dev
}

need_cpp() {
    { command -v cc && command -v c++ && command -v make; } >/dev/null || install_packages 'a C++ compiler and make' g++ make
}

need_valgrind() {
    command -v valgrind >/dev/null || install_packages 'Valgrind' valgrind
}

# The jars of a Kafka broker, fetched once with Maven, and a JDK of at least 17 to run them.
need_broker() {
    local java_version
    java_version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' || true)
    if [ "${java_version:-0}" -lt 17 ] || ! command -v mvn >/dev/null; then
        install_packages 'JDK 17 and Maven' openjdk-17-jdk-headless maven
    fi
    tests/broker/libs.sh >/dev/null
}

install_packages() {
    local what=$1
    shift
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            printf 'tideline needs %s: run  apt-get install %s\n' "$what" "$*" >&2
            return 1
        fi
        sudo=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null; then
        printf 'tideline needs %s (on Debian: %s); there is no apt-get here, so please install it\n' "$what" "$*" >&2
        return 1
    fi
    printf 'installing %s: %s\n' "$what" "$*"
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get update -q
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -qy --no-install-recommends "$@"
}
