# What the scripts of this directory share. Sourced, never run.
#
# Everything that is fetched lands under $VFIO4J_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/vfio4j). Messages go to standard
# error; the only line on standard output is the path that the script was asked for.

set -euo pipefail

CACHE=${VFIO4J_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vfio4j}
SUITE=trixie # the first Debian release whose backports have a QEMU with vfio-user-pci
LIB=usr/lib/x86_64-linux-gnu
LOADER=$LIB/ld-linux-x86-64.so.2
PROGRAM=$(basename "$0")
INSTALL_QEMU="install QEMU 10.1 or newer built with vfio-user, and put qemu-system-x86_64 on the PATH or set VFIO4J_QEMU=/path/to/it"

say() { echo "$PROGRAM: $*" >&2; }

die() { # die WHAT TRY [EXIT-CODE]
    echo "$PROGRAM: $1" >&2
    echo "try: $2" >&2
    exit "${3:-1}"
}

require_debian() {
    [ "$(uname -m)" = x86_64 ] || die "this machine is $(uname -m), only x86_64 is supported" "$INSTALL_QEMU" 7
    local tool
    for tool in apt-get apt-cache dpkg-deb flock; do
        command -v $tool >/dev/null || die "no $tool here: packages are fetched on Debian 12 or 13 only" "$INSTALL_QEMU" 7
    done
}

# The mirrors that this machine's own apt sources name for its release, the main archive before third parties.
debian_mirrors() {
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-none}")
    apt-get update --print-uris | sed -nE "s#^'(.*)/dists/($codename|stable|oldstable)/InRelease'.*#\1#p" |
        awk '{ print ($0 ~ /\/debian$/ ? 0 : 1), $0 }' | sort -u | cut -d' ' -f2
}

# private_apt COMMAND...: apt with a state of its own. The machine's lists, cache and installed packages are neither used nor
# changed, so this needs no root, and an empty status makes apt resolve everything down to libc.
private_apt() {
    local command=$1 state=$CACHE/apt
    shift
    "$command" -qq \
        -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
        -o Dir::Cache="$state/cache" -o Dir::Log="$state/log" -o APT::Sandbox::User= -o Debug::NoLocking=1 \
        -o APT::Architecture=amd64 -o APT::Install-Recommends=0 -o Acquire::Languages=none -o Acquire::Retries=3 \
        "$@"
}

# Reads the package lists from the first mirror that has the suites.
update_lists() {
    local state=$CACHE/apt keyring mirror suite
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/log"
    : >"$state/status"
    keyring=$(ls /usr/share/keyrings/debian-archive-keyring.[gp]* 2>/dev/null | head -n1)
    [ -n "$keyring" ] || die "no Debian keyring in /usr/share/keyrings" "apt-get install debian-archive-keyring"
    for mirror in $(debian_mirrors); do
        for suite in "$SUITE" "$SUITE-backports"; do
            echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main"
        done >"$state/sources.list"
        say "reading the package lists of $SUITE and $SUITE-backports"
        ! private_apt apt-get update -o APT::Update::Error-Mode=any >&2 || return 0
    done
    die "no mirror in this machine's apt sources has $SUITE and $SUITE-backports" "look at: apt-get update --print-uris"
}

# unpack DEBS-DIR INTO
unpack() {
    local deb
    for deb in "$1"/*.deb; do
        dpkg-deb -x "$deb" "$2"
    done
}

# unpack_with_dependencies INTO ARGUMENT...: the arguments are packages and options of apt-get install.
unpack_with_dependencies() {
    local into=$1 debs=$1.debs
    shift
    mkdir -p "$debs/partial"
    private_apt apt-get install --download-only --yes -o Dir::Cache::archives="$debs" "$@" >&2
    unpack "$debs" "$into"
    rm -rf "$debs"
}

# unpack_alone INTO PACKAGE...: without what the packages depend on.
unpack_alone() {
    local into=$1 debs=$1.debs
    shift
    mkdir -p "$debs"
    (cd "$debs" && private_apt apt-get download "$@" >&2)
    unpack "$debs" "$into"
    rm -rf "$debs"
}

# make_once DIR FUNCTION: runs FUNCTION with a directory beside DIR and renames that to DIR, so DIR is there whole or not at
# all. Two runs at a time wait for each other.
make_once() {
    local dir=$1 function=$2 tmp=$1.tmp
    mkdir -p "$(dirname "$dir")"
    (
        flock 9
        [ ! -d "$dir" ] || exit 0
        trap 'rm -rf "$tmp" "$tmp".debs' EXIT
        rm -rf "$tmp" "$tmp".debs
        mkdir "$tmp"
        "$function" "$tmp"
        mv -T "$tmp" "$dir"
    ) 9>"$dir.lock"
}
