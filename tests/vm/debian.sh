# SPDX-License-Identifier: GPL-2.0-only
# Sourced: packages of another Debian suite through a private apt state.
#
# The mirror is the one this machine's apt is configured with; only the suite
# changes. Signatures are checked by apt with Debian's own archive keys. The
# system's package lists and sources stay untouched.

# What is made here is also for others: systems of their own, workers of other users.
umask 022
export LC_ALL=C.UTF-8

CACHE=${IRQGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/irqgate}

say() { printf '  %-8s%s\n' "$1" "$2" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

case $CACHE in
*[!A-Za-z0-9_/.+@-]*) die "the cache is at '$CACHE', which virtme-ng does not take: set IRQGATE_CACHE to a plain path" ;;
esac

mirror() {
	apt-get indextargets --format '$(LABEL)|$(REPO_URI)' \
		'Created-By: Packages' |
		awk -F'|' -v l="$1" '$1 == l { print $2; exit }'
}

# apt_suites NAME SUITE...: use a private apt state NAME that knows only SUITEs.
# A suite that ends in -security comes from the security archive. The packages are
# those of $apt_arch, if that is set, else of this machine's architecture.
apt_suites() {
	local dir=$CACHE/apt/$1 main sec s uri
	local key=/usr/share/keyrings/debian-archive-keyring.gpg
	shift
	main=$(mirror Debian)
	[ -n "$main" ] || die "apt knows no Debian mirror: add one to /etc/apt/sources.list and run 'apt-get update'"
	sec=$(mirror Debian-Security)
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	: > "$dir/sources.list"
	for s; do
		uri=$main
		case $s in *-security) uri=$sec ;; esac
		# A machine without the security archive still has the release.
		[ -n "$uri" ] && echo "deb [signed-by=$key] $uri $s main" >> "$dir/sources.list"
	done
	: > "$dir/status"
	cat > "$dir/apt.conf" <<-CONF
	Dir::State::lists "$dir/lists";
	Dir::State::status "$dir/status";
	Dir::Cache "$dir";
	Dir::Etc::SourceList "$dir/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	APT::Sandbox::User "root";
	${apt_arch:+APT::Architecture "$apt_arch";}
	${apt_arch:+APT::Architectures "$apt_arch";}
	CONF
	export APT_CONFIG=$dir/apt.conf
	apt-get -qq update >&2 || die "apt-get update failed for: $*. Is the mirror reachable?"
}

# kernel_suites SERIES [ARCHITECTURE]: where its stock kernel comes from. Of ports, the
# mirrors' lists of what is not a release are at times older than their signature.
kernel_suites() {
	case $1${2:+-$2} in
	6.12-s390x) echo trixie ;;
	7.x-s390x) echo forky ;;
	6.1)	echo bookworm bookworm-security ;;
	6.12)	echo trixie trixie-security ;;
	7.x)	echo trixie-backports ;;
	*)	die "unknown kernel '$1${2:+ $2}': one of 6.1, 6.12, 7.x" ;;
	esac
}

# unpack DIR PACKAGE...: download and extract below DIR, without installing.
unpack() {
	local into=$1 tmp deb
	shift
	tmp=$(mktemp -d "$CACHE/deb.XXXXXX")
	(cd "$tmp" && apt-get -qq download "$@" >&2) || die "cannot download $*"
	mkdir -p "$into"
	for deb in "$tmp"/*.deb; do
		dpkg-deb -x "$deb" "$into" || die "cannot unpack $deb"
	done
	rm -rf "$tmp"
}
