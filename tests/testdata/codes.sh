# What the rows of TestCodes are written in.

# config EXPR writes a config.json as a user has it ($spec are other flags), which jq changes.
config() {
	rm -f config.json; sandbox spec ${spec---rootless}
	jq '.process.terminal = false | .process.args = ["true"] | .root.path = "r" | '"$1" config.json >new
	mv new config.json
}

# bundled EXPR [FLAG...] runs a bundle with it.
bundled() {
	config "$1"; shift
	sandbox run "$@" -b . $ID
}

# fix PATTERN is the fix in the last refusal that has it; without one there is none.
fix() { tr ';' '\n' <refused | sed -nE "s/^ ?(fix:|or) \((you|admin|pod)\) (.*$1.*)/\3/p" | grep .; }

# no PATTERN: the last refusal does not speak of it.
no() { ! grep -E -- "$1" refused; }

# ann_lives is for root: this host gets an ordinary user with subordinate ids, whose number is $uid.
uid=4242
ann_lives() {
	mount -t tmpfs none /mnt
	home=/mnt/ann
	mkdir $home $home/bin $home/etc $home/project
	cp "$SANDBOX_BIN" $home/bin/sandbox
	cp -r r $home/project
	chown -R $uid:$uid $home
	for f in ld.so.cache ld.so.conf ld.so.conf.d login.defs nsswitch.conf resolv.conf; do cp -rL /etc/$f $home/etc 2>&- || :; done
	printf '%s\n' root:x:0:0::/root:/bin/sh ann:x:$uid:$uid::$home:/bin/sh >$home/etc/passwd
	printf '%s\n' root:x:0: ann:x:$uid: docker:x:4243:ann >$home/etc/group
	echo ann:700000:65536 | tee $home/etc/subuid >$home/etc/subgid
	# the directory, for another file in the place of one would take a mount away
	mount --bind $home/etc /etc
}

# ann CMD is what she types; $as are flags of setpriv.
ann() {
	(cd $home/project && exec setpriv --reuid $uid --regid ${gid-$uid} ${groups---clear-groups} $as env -i PATH=$home/bin:$PATH HOME=$home XDG_RUNTIME_DIR=$home "$@")
}

# filter ERRNO CALL... writes a seccomp profile in which these calls fail with that number. userns is a clone with a new user
# namespace.
filter() {
	errno=$1; shift
	rules=
	for call; do
		case $call in
		userns) rule='["clone"], "args": [{"index": 0, "value": 268435456, "valueTwo": 268435456, "op": "SCMP_CMP_MASKED_EQ"}]' ;;
		*) rule='["'$call'"]' ;;
		esac
		rules="$rules,"'{"action": "SCMP_ACT_ERRNO", "errnoRet": '"$errno, \"names\": $rule}"
	done
	# a clone3 hides its flags from filters
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO", "errnoRet": 38, "names": ["clone3"]}'"$rules]}" >filter.json
}

# filtered [FLAG...] -- CMD runs a command under it, on this host and with all capabilities.
filtered() {
	sandbox run --pid host --network host --cap-add ALL --security-opt seccomp=filter.json "$SHOW_BIN" "$@"
}

# controllers N: this host has its controllers in hierarchy N, where 0 is that of version 2.
controllers() {
	sed -E "/^#/!s/^([^\t]*\t)[0-9]+/\1$1/" /proc/cgroups >controllers
	mount --bind controllers /proc/cgroups
}
