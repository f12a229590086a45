#!/bin/sh
# Runs memcached's own Perl tests against our server.
#
#   perl-tests.sh <unpacked memcached source> [1.6.18|1.6.45]
#   perl-tests.sh --fetch                      (Debian's source, by apt)
#
# The tests start the server themselves, through a wrapper called
# memcached-debug in the root of their tree; they are run in a copy of it. The
# list is what a server of our kind can be asked: no slabs, no LRU internals, no
# binary protocol. Prints one line per file and fails if one failed. The version
# is the source's own unless it is given.
#
# Needs perl, cc and cargo; --fetch needs dpkg-dev and a deb-src line.
set -eu

tests="metaget getset incrdecr cas noreply flags touch getandtouch bogus-commands
malicious-commands flush-all quit multiversioning ascii-auth ascii-auth2 shutdown
idle-timeout unixsocket stats-detail issue_3 issue_41 issue_68 issue_70 issue_108
issue_152 issue_192"

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 64
}

[ $# -ge 1 ] || usage
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

if [ "$1" = --fetch ]; then
    (cd "$scratch" && apt-get source --quiet memcached)
    tree=$(find "$scratch" -maxdepth 1 -type d -name 'memcached-*')
else
    tree=$1
fi
[ -d "$tree/t" ] || usage

version=${2:-$(sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" "$tree/configure")}
case $version in
    1.6.18 | 1.6.45) ;;
    *) echo "the tests are of $version; say which of 1.6.18 and 1.6.45 to speak" >&2; exit 64 ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
cargo build --quiet -p memlink-testserver
target=${CARGO_TARGET_DIR:-$(cargo metadata --format-version 1 --no-deps |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')}

copy=$scratch/tree
mkdir "$copy"
cp -R "$tree/t" "$tree/timedrun.c" "$copy/"
cc -o "$copy/timedrun" "$copy/timedrun.c"
printf '#!/bin/sh\nexec "%s" --speak %s "$@"\n' "$target/debug/memlink-testserver" "$version" \
    >"$copy/memcached-debug"
chmod +x "$copy/memcached-debug"

failed=0
cd "$copy"
for name in $tests; do
    if [ ! -f "t/$name.t" ]; then
        echo "absent  $name"
    elif perl "t/$name.t" >"$scratch/$name.log" 2>&1; then
        echo "ok      $name ($(grep -c '^ok ' "$scratch/$name.log") checks)"
    else
        echo "FAILED  $name"
        grep -v '^ok ' "$scratch/$name.log" | head -20 | sed 's/^/        /'
        failed=1
    fi
done
exit $failed
