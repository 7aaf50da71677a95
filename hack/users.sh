# Sourced by hack/test and hack/bench: ordinary users that exist for one run. Needs root.
# shellcheck shell=bash disable=SC2154 # base is a directory of the script that sources this

made_users=()

# make_user NAME HOME yes|no: with or without 65,536 subordinate ids.
make_user() {
	local name=$1 home=$2 subids=$3 start
	useradd --no-create-home --home-dir "$home" --shell /bin/sh "$name"
	made_users+=("$name")
	# useradd has a mind of its own about subordinate ids (login.defs); start from none.
	drop_subids "$name"
	if [[ $subids == yes ]]; then
		start=$(free_subid)
		printf '%s:%s:65536\n' "$name" "$start" >>/etc/subuid
		printf '%s:%s:65536\n' "$name" "$start" >>/etc/subgid
	fi
	install -d -m 0700 -o "$name" -g "$(id -g "$name")" "$home"
}

# free_subid is the first id above every range that is already given away.
free_subid() {
	touch /etc/subuid /etc/subgid
	awk -F: 'BEGIN { top = 524288 } $2 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+$/ && $2 + $3 > top { top = $2 + $3 } END { printf "%d\n", top }' \
		/etc/subuid /etc/subgid
}

drop_subids() {
	local file
	for file in /etc/subuid /etc/subgid; do
		[[ ! -e $file ]] || sed -i "/^$1:/d" "$file"
	done
}

# remove_users undoes all of make_user, processes first: userdel refuses a user that is logged in anywhere.
remove_users() {
	local name uid pid
	for name in "${made_users[@]}"; do
		uid=$(id -u "$name" 2>/dev/null) || continue
		for pid in $(processes_of "$uid"); do
			kill -KILL "$pid" 2>/dev/null || true
		done
		drop_subids "$name"
		userdel --force "$name" 2>/dev/null || true
		groupdel "$name" 2>/dev/null || true
		if id -u "$name" >/dev/null 2>&1; then
			echo "user $name could not be removed; do it by hand: userdel -f $name" >&2
		fi
	done
	made_users=()
}

# processes_of UID prints the pids whose real user that is.
processes_of() {
	awk -v uid="$1" '/^Uid:/ && $2 == uid { split(FILENAME, part, "/"); print part[3] }' /proc/[0-9]*/status 2>/dev/null || true
}

# as_user NAME CMD...: its ids and groups and no environment but what a login gives. Needs $base with run/ and tmp/.
as_user() {
	local name=$1 drop=()
	shift
	if [[ $(id -u) -eq 0 && $name != root ]]; then
		drop=(setpriv --reuid "$(id -u "$name")" --regid "$(id -g "$name")" --init-groups --)
	fi
	"${drop[@]}" env -i "HOME=$base/home/$name" "XDG_RUNTIME_DIR=$base/run/$name" "TMPDIR=$base/tmp/$name" \
		"USER=$name" "LOGNAME=$name" LANG=C.UTF-8 SHELL=/bin/sh PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# make_places NAME: the directories as_user names.
make_places() {
	local dir
	for dir in home run tmp; do
		install -d -m 0700 -o "$1" -g "$(id -g "$1")" "$base/$dir/$1"
	done
}
