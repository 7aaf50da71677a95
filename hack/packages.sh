# Sourced by hack/test and hack/bench: what they need besides Go and a Debian base system.
# shellcheck shell=bash

# need CMD=PACKAGE...: installs the packages of the commands that are missing, when root; says what is missing when not.
# The names still missing afterwards are in $missing.
need() {
	local pair want=()
	missing=()
	for pair in "$@"; do
		has "${pair%%=*}" || want+=("${pair#*=}")
	done
	if [[ ${#want[@]} -gt 0 && $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
		echo "installing: ${want[*]}"
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq >/dev/null || echo "apt-get update failed; going on with what is there" >&2
		apt-get install -qq -y --no-install-recommends "${want[@]}" >/dev/null || echo "apt-get install failed" >&2
	fi
	for pair in "$@"; do
		has "${pair%%=*}" || missing+=("${pair#*=}")
	done
}

# has knows some that are no commands: a busybox without a loader, and headers of C libraries.
has() {
	case $1 in
	static-busybox) static_busybox >/dev/null ;;
	libc-headers) [[ -e /usr/include/stdlib.h ]] ;;
	libseccomp) [[ -e /usr/include/seccomp.h ]] ;;
	*) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
	esac
}

static_busybox() {
	local path
	for path in "${BUSYBOX:-}" /bin/busybox /usr/bin/busybox; do
		# ldd fails for a static program; LC_ALL only keeps its words out of it.
		if [[ -n $path && -x $path ]] && ! LC_ALL=C ldd "$path" >/dev/null 2>&1; then
			echo "$path"
			return
		fi
	done
	return 1
}
