package tests

// single is a run that needs a user namespace and nothing else.
const single = "sandbox run --userns single -- true"

// nameCodes are about namespaces, and about what is around us.
var nameCodes = []cause{
	{code: "SBX-USERNS-MAX", in: nested, do: "echo 0 >/proc/sys/user/max_user_namespaces\n" + single, says: "user.max_user_namespaces = 0"},
	{code: "SBX-USERNS-LIMIT", in: nested, says: "user.max_user_namespaces = 1, [0-9]+ of them", do: `
echo 1 >/proc/sys/user/max_user_namespaces
unshare -U sleep 1000 & trap "kill $!" EXIT
while [ "$(readlink /proc/$!/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
` + single},
	{code: "SBX-USERNS-DEPTH", in: "unshare -Ur", says: "uid_map is not the host.s, clone answered ENOSPC", do: `
if unshare -U true 2>&-; then exec unshare -Ur sh -e do; fi
` + single},
	{code: "SBX-USERNS-CHROOT", in: nested, says: "no mount is at", do: `
cp $SANDBOX_BIN r/sandbox; mount --rbind /proc r/proc
exec chroot r /sandbox --root /tmp/state run --userns single -- true`},
	{code: "SBX-USERNS-CHROOT", who: "root", in: own, says: "no mount is at", do: `
cp $SANDBOX_BIN r/sandbox; mkdir r/d r/d/bin; cp r/bin/busybox r/d/bin; mount --rbind /proc r/proc; mount --rbind /dev r/dev
exec chroot r /sandbox --root /tmp/state run --network none /d /bin/busybox true`},
	{code: "SBX-USERNS-CHROOT", in: own, who: "root", says: "/r. for process", do: `
cp $SANDBOX_BIN r/sandbox; mount --bind r r; mount --rbind /proc r/proc
chroot r /sandbox --root /tmp/state run --userns single -- true`},
	{code: "SBX-PROC-MISSING", in: nested, says: "bwrap --proc", do: `
mount -t tmpfs none /proc
sandbox run -- true`, typed: `
umount /proc
sandbox run --network none -- true`},
	{code: "SBX-PROC-MISSING", in: "unshare -Urmpf", do: "mount -t tmpfs none /proc\nsandbox list", says: "sudo mount -t proc proc /proc", typed: `
sh -c "$(fix 'mount -t proc' | sed s/sudo//)"
sandbox run --network none -- true`},
	{code: "SBX-PROC-READ-ONLY", in: nested, do: "mount --rbind /proc /proc; mount -o remount,bind,ro /proc\nsandbox run --network none --userns single -- true", says: "answered EROFS", typed: `
sh -c "$(fix remount | sed s/sudo//)"
sandbox run --network none --userns single -- true`},
	{code: "SBX-NOFILE", needs: "exec:prlimit", do: "prlimit --nofile=20:20 $SANDBOX_BIN --root $XDG_RUNTIME_DIR/x run --network none -- true", says: "ulimit -Hn is 20"},
	{code: "SBX-USERNS-UNMAPPED", in: "unshare -U", do: "env -u XDG_RUNTIME_DIR $SANDBOX_BIN run -- true", says: "uid 65534 is not in"},
	{code: "SBX-USERNS-UNMAPPED", in: "unshare -U", do: "$SANDBOX_BIN --root state run --userns single -- true", says: "uid 65534 is not in /proc/self/uid_map"},
	{code: "SBX-USERNS-SECCOMP", do: "sandbox run $SHOW_BIN -- $SANDBOX_BIN run --userns single -- true", says: "Seccomp: 2 .*clone answered E"},
	{code: "SBX-SECCOMP", says: "Seccomp: 2 ", do: `
filter 1 open_tree move_mount fsopen mount_setattr
sandbox run --security-opt seccomp=filter.json $SHOW_BIN -- $SANDBOX_BIN run --userns single -- true`},
	{code: "SBX-NS-MAX", in: nested, do: "echo 0 >/proc/sys/user/max_net_namespaces\nsandbox run --userns single --network none -- true", says: "user.max_net_namespaces = 0"},
	{code: "SBX-NS-ALONE", who: "user", do: `bundled 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))'`, says: "without CAP_SYS_ADMIN"},
	{code: "SBX-NS-OWNER", who: "user", says: "is owned by a user namespace of uid", do: `
unshare -Urn sleep 1000 & trap "kill $!" EXIT
while [ "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
bundled '.linux.namespaces += [{type: "network", path: "/proc/'$!'/ns/net"}]'`},
	{code: "SBX-LANDLOCK-SCOPE", says: "version ", do: `
filter 38 landlock_create_ruleset
sandbox run --security-opt seccomp=filter.json $SHOW_BIN -- $SANDBOX_BIN run --network host --require landlock.scope -- true`},
	{code: "SBX-KEYRING-QUOTA", who: "root", needs: "exec:setpriv", in: own, says: "keys of uid [0-9]+ are used", do: `
uid=$((4300 + $$)) # nobody else has keys to give back meanwhile
ann_lives
cp "$TEST" $home/bin/test
ann $home/bin/test helper:keys sandbox run --require keyring -- true`},
	{code: "SBX-NPROC", who: "user", needs: "exec:prlimit", in: nested, says: "ulimit -u is", do: `
for try in 1 2 3; do for n in $(seq 3 40); do
	if ! prlimit --nproc=$n:40 $SANDBOX_BIN --root $XDG_RUNTIME_DIR/x run --userns single -- true 2>said && grep SBX-NPROC said >&2; then exit 1; fi
done; done`},
	{code: "SBX-NPROC", who: "user", needs: "exec:prlimit exec:bash", in: nested, says: "ulimit -u is", do: `
try() {
	for try in 1 2 3; do for n in $(seq 3 40); do
		if ! prlimit --nproc=$n:$(($n + $1)) $SANDBOX_BIN --root $XDG_RUNTIME_DIR/x run --userns single -- true 2>said && grep SBX-NPROC said >&2; then return 1; fi
	done; done
}
try 0`, typed: `
no 'raise the limit|TasksMax|pids-limit'
fix 'end some of yours'
try 500 2>refused || prlimit --nproc=$n:$(($n + 500)) bash -c "$(fix 'ulimit -u' | sed 's/.*: //'); exec $SANDBOX_BIN --root $XDG_RUNTIME_DIR/x run --userns single -- true"`},
	withAnn("SBX-DOOR-GROUP", "groups='--groups 4243' ann sandbox run --report $home/report -- true; cat $home/report >&2; exit 1", ""),
	withAnn("SBX-PROC-HIDEPID", `
mount -t proc -o hidepid=2 proc /proc
ann sandbox run -d --name a --network none -- sleep 1000 >out 2>&1
pid=$(ann sandbox state a | jq .pid)
ann sandbox spec --rootless
jq '.root.path = "r" | .linux.namespaces |= map(if .type == "pid" or .type == "user" then .path = "/proc/'$pid'/ns/" + .type else . end)
	| del(.linux.uidMappings, .linux.gidMappings)' $home/project/config.json >config.json
cp config.json $home/project/config.json
ann sandbox run -b . c || status=$?
ann sandbox delete --force a
exit $status`, "hidepid=invisible"),
}
